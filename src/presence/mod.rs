//! The facts about where a node already is, each asked on its own and kept apart.
//!
//! An unknown is never taken for a no: a question that failed is [`Fact::Unknown`] with the reason.

mod key_label;

use std::collections::BTreeMap;

use crate::image::Platform;
use crate::problem::Problem;
pub use key_label::{KEY_LABEL, KeyLabel};

/// The answer to one question.
#[derive(Debug, Clone)]
pub enum Fact<T> {
    /// It is there.
    Yes(T),
    /// It is not there.
    No,
    /// The question failed.
    Unknown(Problem),
    /// The question was not asked, as under `--offline`.
    NotAsked,
}

/// An image that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The key label it carries, or what kept it from being read.
    pub key: Option<KeyLabel>,
    /// Its digest on a registry, its id on a builder.
    pub digest: String,
}

/// What is known about one node.
#[derive(Debug, Clone)]
pub struct Presence {
    /// The builder's image store has it, under `tag-arch` or `tag` with this platform.
    pub builder: Fact<Found>,
    /// The registry's index `tag` lists this platform.
    pub index: Fact<Found>,
    /// The registry has `tag-arch`.
    pub arch_tag: Fact<Found>,
}

/// The presence of each image asked for: by output reference without suffix, then platform.
pub type Facts = BTreeMap<(String, Platform), Presence>;
