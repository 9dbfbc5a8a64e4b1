//! Any text as a Dockerfile: each reference stands where its span says, on every platform.

#![no_main]

use std::collections::BTreeMap;

use kitmake::image::Platform;
use kitmake::problem::SourceFile;
use kitmake::workspace::dockerfile::{Dockerfile, Scope};
use libfuzzer_sys::fuzz_target;

#[path = "../shown.rs"]
mod shown;

fuzz_target!(|text: &str| {
    let dockerfile = match Dockerfile::parse(SourceFile::new("a/Dockerfile", text)) {
        Ok(dockerfile) => dockerfile,
        Err(problem) => return shown::all(&[problem]),
    };
    let build_args = BTreeMap::from([("A".to_owned(), "b:c".to_owned()), ("PKG_HASH".to_owned(), "0123".to_owned())]);
    for architecture in ["amd64", "riscv64"] {
        let (target, build) = (Platform::linux(architecture), Platform::linux("amd64"));
        let resolution = dockerfile.resolve(&Scope { build_args: &build_args, target: &target, build: &build });
        let mut same = BTreeMap::new();
        for reference in resolution.references {
            let standing = &text[reference.span.clone()];
            // Within the name there may be the end of a continued line, quotes and escapes, which are left out.
            let mut rest = standing.chars();
            let is_left = reference.written.chars().all(|character| rest.any(|other| other == character));
            assert!(is_left && rest.all(|other| "\"'".contains(other)), "{standing:?} {:?}", reference.written);
            same.insert((reference.span.start, reference.span.end), standing.to_owned());
            assert!(reference.origin.is_none_or(|origin| text.get(origin).is_some()));
        }
        assert_eq!(dockerfile.rewrite(&same), text);
    }
});
