//! Says each problem once: one that was found twice, and one of a registry that is wrong with all it was asked.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use miette::{Diagnostic, LabeledSpan, Severity, SourceCode};

use super::{Class, Fault, Problem};
use crate::image::Reference;
use crate::wording::counted;

/// A problem of a registry as a whole, as it was found with the first image, and how many further ones it was found with.
#[derive(Debug)]
struct OfAll {
    first: Problem,
    further: usize,
}

impl fmt::Display for OfAll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; the same goes for {}", self.first, counted(self.further, "further image"))
    }
}

impl std::error::Error for OfAll {}

impl Diagnostic for OfAll {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.first.diagnostic().code()
    }

    fn severity(&self) -> Option<Severity> {
        self.first.diagnostic().severity()
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.first.diagnostic().help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.first.diagnostic().source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.first.diagnostic().labels()
    }
}

impl Fault for OfAll {
    fn class(&self) -> Class {
        self.first.class()
    }
}

/// The same problems in the same order, each once. What is wrong with a registry as a whole stands where it was found
/// first, with the number of images that it was asked for.
#[must_use]
pub fn once(problems: Vec<Problem>) -> Vec<Problem> {
    let mut known = BTreeSet::new();
    let mut hosts: BTreeMap<(String, String), (usize, BTreeSet<String>)> = BTreeMap::new();
    let mut said: Vec<Problem> = Vec::new();
    for problem in problems {
        let Some((host, about)) = problem.of_host() else {
            if known.insert(format!("{problem:?}")) {
                said.push(problem);
            }
            continue;
        };
        // However many tags of an image were asked for.
        let image = about.parse::<Reference>().map_or_else(|_| about.to_owned(), |image| image.name());
        match hosts.entry((problem.code(), host.to_owned())) {
            Entry::Occupied(mut found) => drop(found.get_mut().1.insert(image)),
            Entry::Vacant(new) => {
                new.insert((said.len(), BTreeSet::from([image])));
                said.push(problem);
            }
        }
    }
    for (place, images) in hosts.into_values() {
        if images.len() > 1 {
            said[place] = OfAll { first: said[place].clone(), further: images.len() - 1 }.into();
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Error;

    fn refused(host: &str, about: &str) -> Problem {
        Error::Refused { host: host.to_owned(), about: about.to_owned() }.into()
    }

    #[test]
    fn a_registry_that_does_not_answer_is_said_once_with_the_number_of_images() {
        let said = once(vec![
            refused("r", "r/a:1"),
            refused("r", "r/a:1-amd64"),
            refused("other", "other/a:1"),
            refused("r", "r/b:1"),
            refused("r", "r/c:1"),
        ]);
        let sentences: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert_eq!(
            sentences,
            [
                "registry `r` refuses connections, asked for `r/a:1`; the same goes for 2 further images",
                "registry `other` refuses connections, asked for `other/a:1`",
            ]
        );
        assert_eq!((said[0].code().as_str(), said[0].class()), ("registry::refused", Class::Infrastructure));
        assert!(said[0].diagnostic().help().is_some());
    }

    #[test]
    fn what_is_wrong_with_each_image_is_said_of_each() {
        let denied = |about: &str| Problem::from(Error::Absent { host: "r".to_owned(), about: about.to_owned() });
        assert_eq!(once(vec![denied("r/a:1"), denied("r/b:1"), denied("r/a:1")]).len(), 2);
    }
}
