//! A plan as text for people ([`text`](fn@text), its steps in `rows` by the causes that `roots` finds) and as JSON for programs; `words` is what both
//! this text and an explanation say.

mod json;
mod roots;
mod rows;
mod text;
mod words;

pub use json::{Document, document, json};
pub use text::{notes, stale_pin_count, text};
pub use words::{place_names, reason_words};
