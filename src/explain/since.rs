//! The newest former image of a package that the registry has, and what changed since.

use futures_util::future::join_all;
use serde::Serialize;
use tokio::runtime::Runtime;

use super::Subject;
use crate::git::{Changed, End, history};
use crate::problem::Problem;
use crate::registry::Client;
use crate::workspace::PackageId;

/// Former tags that are asked for at most.
const ASKED: usize = 50;
/// Of these so many at once.
const AT_ONCE: usize = 8;

/// What came of the search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "found", rename_all = "kebab-case")]
pub enum Since {
    /// The registry has a former image.
    Published {
        /// The newest commit with that tag.
        commit: String,
        /// The tag.
        tag: String,
        /// The files that differ between that commit and `HEAD`, or the work tree of a dirty package, sorted.
        changed: Vec<Changed>,
    },
    /// It has none of those that were asked for.
    None {
        /// How many tags were asked for.
        asked: usize,
        /// Why there were no more.
        end: End,
    },
    /// It did not answer, so that nothing older is the newest.
    Unknown {
        /// The tag that was asked for.
        tag: String,
        /// How it failed.
        why: String,
    },
}

/// Walks back from `HEAD`; `None` where a package has no former tags that could be known.
///
/// # Errors
/// When git cannot be asked.
pub fn since(
    subject: Subject<'_>,
    package: PackageId,
    registry: Option<&str>,
    client: &Client,
    runtime: &Runtime,
) -> Result<Option<Since>, Problem> {
    let Subject { workspace, tags, .. } = subject;
    let output = tags.get(package).and_then(|tag| tag.output.reference().ok());
    let (Some(output), Some(history)) = (output, history(workspace, tags, package)?) else {
        return Ok(None);
    };
    let remote = output.on(registry);
    let asked = &history.former[..history.former.len().min(ASKED)];
    for some in asked.chunks(AT_ONCE) {
        let images = some.iter().map(|former| remote.with_tag(&former.tag));
        let answers = runtime.block_on(join_all(images.map(async |image| client.head(&image).await)));
        for (former, answer) in some.iter().zip(answers) {
            match answer {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let (commit, tag) = (former.commit.clone(), former.tag.clone());
                    let mut changed = history.changed_since(&commit)?;
                    changed.sort();
                    return Ok(Some(Since::Published { commit, tag, changed }));
                }
                Err(problem) => {
                    return Ok(Some(Since::Unknown { tag: former.tag.clone(), why: problem.to_string() }));
                }
            }
        }
    }
    let end = if asked.len() < history.former.len() { End::Limit } else { history.end };
    Ok(Some(Since::None { asked: asked.len(), end }))
}
