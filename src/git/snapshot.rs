//! What git knows about one repository, asked once.
