//! Tag templates: literal text and the hash.
