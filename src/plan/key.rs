//! The key of a node: a blake3 hash over everything its image is made from.
