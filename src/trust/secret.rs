//! Text that is never shown.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::registry::Credentials;

/// Text that is never shown: [`fmt::Debug`] does not tell it, and there is no [`fmt::Display`].
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes it as it is.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text, for the environment of a process and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// The text without this secret in it.
    pub(super) fn strike_from(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "***") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// User and password as notary and HTTP take them.
pub(super) fn basic(credentials: &Credentials) -> Secret {
    Secret(STANDARD.encode(format!("{}:{}", credentials.username, credentials.password)))
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

    #[test]
    fn a_login_is_user_and_password_in_base64() {
        let login = Credentials { username: "user".into(), password: "pa:ss".into(), identity_token: None };
        assert_eq!(basic(&login).reveal(), "dXNlcjpwYTpzcw==");
    }
}
