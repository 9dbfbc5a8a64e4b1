//! Any text as a build.yml: it is read or there are errors, all of which can be shown.

#![no_main]

use std::io;

use kitmake::problem::SourceFile;
use kitmake::workspace::build_yml::{Reading, parse};
use libfuzzer_sys::fuzz_target;

#[path = "../shown.rs"]
mod shown;

fuzz_target!(|text: &str| {
    let source = SourceFile::new("pkg/a/build.yml", text);
    let missing = |_: &str| Err(io::Error::from(io::ErrorKind::NotFound));
    let lenient = parse(&source, "pkg/a", Reading::default(), &missing);
    assert_eq!(lenient.build.is_some(), lenient.problems.is_empty());
    shown::all(&lenient.problems);
    shown::all(&lenient.warnings);
    // Strictness turns warnings into errors and changes nothing else.
    let strict = parse(&source, "pkg/a", Reading { strict: true, org: None }, &missing);
    assert_eq!(strict.build.is_some(), lenient.build.is_some() && lenient.warnings.is_empty());
});
