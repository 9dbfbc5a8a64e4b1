//! The plan: a pure function from graph, tags, presence and settings to steps with reasons.

pub mod key;
mod step;

pub use step::{Action, IndexEntry, PushSource, Step, StepIndex, StepKind};
