//! The full log of each step, in a file of its own.

/// A directory with one log file per step of a run.
#[derive(Debug)]
pub struct Logs {}
