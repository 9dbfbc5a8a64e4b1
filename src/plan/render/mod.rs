//! A plan as text for people ([`text`](fn@text)) and as JSON for programs.
//!
//! The steps are in `rows`, by the causes that `roots` finds; `published` tells what a push replaces and leaves, `unknown`
//! what nobody answered, and `words` is what both this text and an explanation say.

mod json;
mod published;
mod roots;
mod rows;
mod text;
mod unknown;
mod words;

pub use json::{Document, document, json};
pub use published::{stays, unpublished};
pub use text::{notes, stale_pin_count, text};
pub use words::{place_names, reason_head, reason_words};
