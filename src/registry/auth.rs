//! Credentials and bearer tokens.
