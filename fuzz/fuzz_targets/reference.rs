//! Any text as an image reference: what is accepted is written back as the same reference, and its canonical form as well.

#![no_main]

use kitmake::image::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(reference) = text.parse::<Reference>() else { return };
    assert_eq!(reference.to_string().parse::<Reference>().as_ref(), Ok(&reference));
    let canonical = reference.canonical();
    assert_eq!(canonical.to_string().parse::<Reference>().as_ref(), Ok(&canonical));
    assert_eq!(canonical.canonical(), canonical);
    assert!(reference.same_repository(&canonical));
    assert_eq!(reference.with_tag("x").tag(), Some("x"));
});
