//! Text that is shown nowhere: passwords and passphrases.
//!
//! It reaches nothing but the environment of a process or a cipher, and is wiped from memory when it is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Text that is never shown: [`fmt::Debug`] does not tell it, and there is no [`fmt::Display`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes it as it is; it may be empty, as a password may.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text, for what it is meant for.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without this secret in it.
    #[must_use]
    pub fn strike_from(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(self.reveal(), "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(…)");
        assert_eq!(Secret::new("hunter2").strike_from("is hunter2 wrong, hunter2?"), "is *** wrong, ***?");
        assert_eq!(Secret::new("").strike_from("text"), "text");
    }
}
