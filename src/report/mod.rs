//! Consumers of events: a terminal with progress bars, or plain lines elsewhere. All of them write to standard error.
