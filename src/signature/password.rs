//! A password that shows nowhere.

use std::fmt;

use zeroize::Zeroizing;

/// What a private key is encrypted with. It may be empty, as cosign allows it.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// A password.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}
