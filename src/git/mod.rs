//! Git: one snapshot per repository, and from it the tag of each package.
//!
//! Git is asked, not re-implemented, by a number of processes that does not grow with the number of packages. Tags take five
//! for each repository that a package or an extra source lies in, one more with `--hash-commit`, and two more if something in
//! it is dirty; the files outside the trees take one, or two where there are submodules. So no repository takes more than ten.
//! Where a revision is compared with packages that have no tag, their directories take five more.
//! Only the former tags of a package are asked for one package at a time.
//!
//! ```text
//! packages -> where is each (locate) -> what git knows (snapshot, trees, subject) -> dirty content (content) -> name (tag)
//! ```

mod content;
mod directories;
mod error;
mod extra_source;
mod future;
mod history;
mod locate;
mod name;
mod objects;
mod outside;
mod places;
mod presets;
mod process;
mod repository;
mod revision;
mod snapshot;
mod subject;
mod submodules;
mod tag;
mod tag_map;
mod template;
#[cfg(test)]
mod tests;
mod trees;

pub use directories::{Directory, directories};
pub use error::{Error, is_uncommitted};
pub use extra_source::ExtraSource;
pub(crate) use extra_source::clean_slash_path;
pub use future::{Future, Untracked};
pub use history::{Changed, End, Former, History, history};
pub use locate::top_level;
pub use name::ImageName;
pub use outside::{OutsideTree, outside_tree};
pub use presets::preset_args;
pub use repository::Repository;
pub use revision::{Content, Revision};
pub use tag::{Commit, Dirt, PackageTag, TagOptions, Tags, tags, tags_at};
pub use tag_map::{TagMap, Tagged};
pub use template::expand as expand_template;
