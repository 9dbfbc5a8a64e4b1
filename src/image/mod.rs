//! Image references and platforms, in the words of the OCI specifications.

mod platform;
mod reference;

pub use platform::{InvalidPlatform, Platform};
pub use reference::{InvalidReference, Reference};
