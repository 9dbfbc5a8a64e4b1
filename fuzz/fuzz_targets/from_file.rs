//! Any text as the from-file of `depends.docker-images`.

#![no_main]

use kitmake::problem::SourceFile;
use kitmake::workspace::build_yml::{Reading, parse};
use libfuzzer_sys::fuzz_target;

#[path = "../shown.rs"]
mod shown;

fuzz_target!(|text: &str| {
    let yml = "image: a\ndepends:\n  docker-images:\n    target: out.tar\n    from-file: images\n";
    let read = |path: &str| {
        assert_eq!(path, "images");
        Ok(text.to_owned())
    };
    let parsed = parse(&SourceFile::new("a/build.yml", yml), "a", Reading::default(), &read);
    shown::all(&parsed.problems);
    for image in parsed.build.into_iter().flat_map(|build| build.docker_images.images) {
        let line = text.split('\n').nth(image.line as usize - 1).unwrap();
        assert!(image.reference.digest().is_some_and(|digest| line.contains(digest)), "{line}");
    }
});
