//! One selector taken apart: its marks and what stands between them.

use crate::workspace::{PackageId, Workspace};

use super::super::Graph;
use super::Changed;

const DOTS: &str = "...";

/// One selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    /// As written.
    pub(super) text: String,
    /// `!`
    pub(super) excludes: bool,
    /// `...NAME`, `...^NAME`
    needing: Option<Itself>,
    /// `NAME...`, `NAME^...`
    needed: Option<Itself>,
    pub(super) base: Base,
}

/// What stands between the marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Base {
    Name(String),
    /// `[REVISION]`
    Since(String),
}

/// Whether what the marks stand beside is meant, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Itself {
    With,
    Without,
}

impl Term {
    /// Every text is a selector. A directory whose name looks like marks is written with a slash at that end, or with `./`
    /// before it.
    pub(super) fn parse(text: &str) -> Self {
        let (excludes, rest) = strip(text.strip_prefix('!'), text);
        let (needing, rest) = match rest.strip_prefix(DOTS) {
            Some(rest) => itself(rest.strip_prefix('^'), rest),
            None => (None, rest),
        };
        let (needed, rest) = match rest.strip_suffix(DOTS) {
            Some(rest) => itself(rest.strip_suffix('^'), rest),
            None => (None, rest),
        };
        let revision = rest.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let base = match revision.filter(|revision| !revision.is_empty() && !revision.contains(['[', ']'])) {
            Some(revision) => Base::Since(revision.to_owned()),
            None => Base::Name(rest.to_owned()),
        };
        Self { text: text.to_owned(), excludes, needing, needed, base }
    }

    pub(super) fn revision(&self) -> Option<&str> {
        match &self.base {
            Base::Since(revision) => Some(revision),
            Base::Name(_) => None,
        }
    }

    /// Whether it has no marks but `!`, and names no revision.
    pub(super) fn is_name(&self) -> bool {
        self.needing.is_none() && self.needed.is_none() && self.revision().is_none()
    }

    /// The same marks around another name.
    pub(super) fn around(&self, name: &str) -> String {
        let mark = |itself| if itself == Itself::Without { "^" } else { "" };
        let before = self.needing.map(|itself| format!("{DOTS}{}", mark(itself))).unwrap_or_default();
        let after = self.needed.map(|itself| format!("{}{DOTS}", mark(itself))).unwrap_or_default();
        format!("{}{before}{name}{after}", if self.excludes { "!" } else { "" })
    }

    /// What it means, given what its name names.
    pub(super) fn follow(&self, graph: &Graph, named: &[PackageId], changed: &Changed) -> Vec<PackageId> {
        let base = self.base(named, changed);
        if self.needing.is_none() && self.needed.is_none() {
            return base.to_vec();
        }
        let mut found = Vec::new();
        match self.needing {
            Some(Itself::With) => found.extend(graph.with_needing(base)),
            Some(Itself::Without) => found.extend(graph.needing(base)),
            None => {}
        }
        match self.needed {
            Some(Itself::With) => found.extend(graph.with_needed(base)),
            Some(Itself::Without) => found.extend(graph.needed(base)),
            None => {}
        }
        found
    }

    /// The packages that cannot be read and of which nobody knows whether they need what the mark for that stands beside.
    pub(super) fn unread_users(
        &self,
        workspace: &Workspace,
        graph: &Graph,
        named: &[PackageId],
        changed: &Changed,
    ) -> Vec<PackageId> {
        let followed = |_| graph.unread_users(workspace, &graph.with_needing(self.base(named, changed)));
        self.needing.map(followed).unwrap_or_default()
    }

    /// The packages that cannot be read and of which nobody knows all that they need, or whether they are needed, where the
    /// mark for that leads.
    pub(super) fn unread_needs(
        &self,
        workspace: &Workspace,
        graph: &Graph,
        named: &[PackageId],
        changed: &Changed,
    ) -> Vec<PackageId> {
        let followed = |_| graph.unread_needs(workspace, &graph.with_needed(self.base(named, changed)));
        self.needed.map(followed).unwrap_or_default()
    }

    /// What its marks stand beside.
    fn base<'a>(&self, named: &'a [PackageId], changed: &'a Changed) -> &'a [PackageId] {
        match self.revision() {
            Some(revision) => changed.get(revision).map_or(&[][..], Vec::as_slice),
            None => named,
        }
    }
}

fn strip<'a>(stripped: Option<&'a str>, whole: &'a str) -> (bool, &'a str) {
    (stripped.is_some(), stripped.unwrap_or(whole))
}

fn itself<'a>(stripped: Option<&'a str>, whole: &'a str) -> (Option<Itself>, &'a str) {
    let (without, rest) = strip(stripped, whole);
    (Some(if without { Itself::Without } else { Itself::With }), rest)
}
