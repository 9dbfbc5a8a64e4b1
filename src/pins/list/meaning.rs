//! What a reference at a place is.

use std::ops::Range;

use super::Lister;
use crate::graph::State as Meaning;
use crate::image::Reference;
use crate::pins::{Kind, Pin, State};
use crate::problem::SourceFile;
use crate::workspace::PackageId;

/// Why a tag in an image yml need not be one of a package here.
const FOREIGN: &str = "its tag has not the form of the tags that are made here, so it could be anybody's";

impl Lister<'_> {
    /// A pin whose reference stands at `at`, if anywhere; `user` is the package it is for, with what it means there.
    pub(super) fn pin(
        &self,
        place: &Place<'_>,
        at: Result<Range<usize>, String>,
        text: &str,
        written: &Reference,
        user: Option<(PackageId, Meaning)>,
    ) -> Pin {
        let whole = self.repositories.one_platform(written).map(|(whole, _)| whole);
        let parsed = whole.as_ref().unwrap_or(written);
        let suffix =
            written.tag().zip(parsed.tag()).and_then(|(tag, whole)| tag.strip_prefix(whole)).unwrap_or_default();
        let current = |id: &PackageId| self.present(*id).is_some_and(|present| present.tag() == parsed.tag());
        let is_made = self.repositories.makers(parsed).next().is_some();
        let found = self.repositories.makers(parsed).find(|id| current(id) && user.is_none_or(|(user, _)| user != *id));
        let named = self.repositories.named(parsed);
        let is_own = user.is_some_and(|(user, _)| named == Some(user));
        // Nothing but a Dockerfile belongs to a repository so much that any tag of an image made here is one of its own.
        let is_foreign = user.is_none() && named.is_some_and(|id| self.present(id).is_some());
        let is_foreign = is_foreign && self.repositories.formed(parsed).is_none();
        let meaning = match user {
            Some((_, meaning)) => meaning,
            None if !is_made => Meaning::External,
            None if found.is_some() && parsed.digest().is_none() => Meaning::Current,
            None => Meaning::Stale,
        };
        let package = match meaning {
            Meaning::Current => found,
            Meaning::Stale => named.filter(|_| !is_foreign),
            _ => None,
        };
        let file = place.source.path.clone();
        let state = match meaning {
            Meaning::Current => State::Current,
            Meaning::Stale if is_own => State::Own,
            Meaning::Stale => match self.workspace.config.allows(&file, text) {
                Some(reason) => State::Allowed(reason.to_owned()),
                None if is_foreign => State::Foreign(FOREIGN.to_owned()),
                None => State::Stale,
            },
            _ => State::External,
        };
        let expected = package.filter(|_| state != State::Own).and_then(|id| self.present(id));
        let expected = expected.and_then(|present| Some(parsed.with_tag(&format!("{}{suffix}", present.tag()?))));
        let tag_at = at.and_then(|range| match (written.tag(), written.digest()) {
            (_, Some(_)) => Err("it names a digest".to_owned()),
            (None, None) => Err("it has no tag".to_owned()),
            _ if is_foreign && package.is_none() => Err(FOREIGN.to_owned()),
            _ if is_made && package.is_none() => Err("several packages make this image".to_owned()),
            _ if package.and_then(|id| self.tags.get(id)).is_some_and(|tag| tag.outside_git) => {
                Err("what it names is in no git repository, and its tag does not follow its content".to_owned())
            }
            (Some(tag), None) => Ok(range.end - tag.len()..range.end),
        });
        let line = tag_at.as_ref().map_or(place.line, |range| place.source.line(range.start));
        Pin {
            file,
            line,
            kind: place.kind,
            reference: text.to_owned(),
            state,
            is_reached: true,
            used_by: user.map(|(user, _)| user).into_iter().collect(),
            package,
            suffix: suffix.to_owned(),
            expected,
            tag_at,
        }
    }

    fn present(&self, id: PackageId) -> Option<&Reference> {
        self.tags.get(id)?.identity.reference().ok()
    }
}

/// Where a reference is written.
pub(super) struct Place<'a> {
    pub(super) source: &'a SourceFile,
    pub(super) line: u32,
    pub(super) kind: Kind,
}

impl Place<'_> {
    /// A pin of which nobody knows what it means.
    pub(super) fn unresolved(&self, written: &str, why: &str, user: Option<PackageId>) -> Pin {
        Pin {
            file: self.source.path.clone(),
            line: self.line,
            kind: self.kind,
            reference: written.to_owned(),
            state: State::Unresolved(why.to_owned()),
            is_reached: true,
            used_by: user.into_iter().collect(),
            package: None,
            suffix: String::new(),
            expected: None,
            tag_at: Err(why.to_owned()),
        }
    }
}
