//! Any text as a tag template; its first line is the hash.

#![no_main]

use kitmake::git::expand_template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (hash, template) = text.split_once('\n').unwrap_or(("", text));
    match expand_template(template, hash) {
        Ok(tag) if !template.contains("{{") => assert_eq!(tag, template),
        Ok(_) => {}
        Err(reason) => assert!(!reason.is_empty() && template.contains("{{")),
    }
});
