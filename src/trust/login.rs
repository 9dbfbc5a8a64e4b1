//! A login in the form that notary takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::registry::Credentials;
use crate::secret::Secret;

/// User and password as notary and HTTP take them.
pub(super) fn basic(credentials: &Credentials) -> Secret {
    Secret::new(STANDARD.encode(format!("{}:{}", credentials.username, credentials.password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_user_and_password_in_base64() {
        let login = Credentials { username: "user".into(), password: "pa:ss".into(), identity_token: None };
        assert_eq!(basic(&login).reveal(), "dXNlcjpwYTpzcw==");
    }
}
