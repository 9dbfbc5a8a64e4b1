//! Git: one snapshot per repository, and from it the tag of each package.
//!
//! Git is asked, not re-implemented, by a number of processes that does not grow with the number of packages.

mod outside;
mod snapshot;
mod tag;
mod template;

pub use outside::{OutsideTree, outside_tree};
pub use tag::{Dirt, ExtraSource, PackageTag, TagOptions, Tags, tags};
