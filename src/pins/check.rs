//! What is wrong with the pins as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pin, State};
use crate::image::Reference;
use crate::problem::Problem;
use crate::workspace::PackageId;

/// What registries say of images: whether they have it, or why that cannot be told.
pub type Published = BTreeMap<Reference, Result<bool, Problem>>;

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What it is.
    pub kind: FindingKind,
    /// The pins that it is about, in order.
    pub pins: Vec<Pin>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// It cannot be told what the pin names.
    Unresolved,
    /// No registry has the tag that is not built here any more.
    Unsatisfiable,
    /// The package has another tag by now.
    Stale,
    /// The image of one package is named by several tags.
    TwoTags,
}

/// The images that have to be on a registry already: no build of this repository as it is makes them.
#[must_use]
pub fn to_be_asked(pins: &[Pin]) -> BTreeSet<Reference> {
    pins.iter().filter(|pin| is_former(pin)).filter_map(tag).collect()
}

/// All findings, each sort sorted by file and line.
#[must_use]
pub fn check(pins: &[Pin], published: &Published) -> Vec<Finding> {
    let of = |kind, pins: Vec<&Pin>| -> Vec<Finding> {
        pins.into_iter().map(|pin| Finding { kind, pins: vec![pin.clone()] }).collect()
    };
    let unresolved = pins.iter().filter(|pin| matches!(pin.state, State::Unresolved(_))).collect();
    let is_absent =
        |pin: &&Pin| tag(pin).and_then(|image| published.get(&image)).is_some_and(|it| matches!(it, Ok(false)));
    let unsatisfiable = pins.iter().filter(|pin| is_former(pin)).filter(is_absent).collect();
    let stale = pins.iter().filter(|pin| pin.state == State::Stale).collect();
    let mut findings = of(FindingKind::Unresolved, unresolved);
    findings.extend(of(FindingKind::Unsatisfiable, unsatisfiable));
    findings.extend(of(FindingKind::Stale, stale));
    findings.extend(two_tags(pins));
    findings
}

/// The images that are named by several tags, none of which is allowed to be a former one.
fn two_tags(pins: &[Pin]) -> impl Iterator<Item = Finding> {
    let mut by_package: BTreeMap<PackageId, Vec<Pin>> = BTreeMap::new();
    for pin in pins.iter().filter(|pin| matches!(pin.state, State::Current | State::Stale)) {
        if let Some(package) = pin.package.filter(|_| tag(pin).is_some()) {
            by_package.entry(package).or_default().push(pin.clone());
        }
    }
    // The present tag may be written with an architecture.
    let former = |pin: &Pin| tag(pin).filter(|_| pin.state != State::Current).map(|image| image.canonical());
    let several = move |pins: &Vec<Pin>| pins.iter().map(former).collect::<BTreeSet<_>>().len() > 1;
    by_package.into_values().filter(several).map(|pins| Finding { kind: FindingKind::TwoTags, pins })
}

/// Whether a pin names a tag that a package here had some time ago.
fn is_former(pin: &Pin) -> bool {
    matches!(pin.state, State::Stale | State::Allowed(_) | State::Own)
}

/// The image, if it is named by a tag alone.
fn tag(pin: &Pin) -> Option<Reference> {
    let reference: Reference = pin.reference.parse().ok()?;
    (reference.tag().is_some() && reference.digest().is_none()).then_some(reference)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(file: &str, reference: &str, state: State) -> Pin {
        Pin {
            file: file.to_owned(),
            line: 1,
            kind: super::super::Kind::From,
            reference: reference.to_owned(),
            state,
            used_by: BTreeSet::new(),
            package: Some(PackageId(0)),
            expected: None,
            tag_at: Ok(0..0),
        }
    }

    fn kinds(pins: &[Pin], published: &Published) -> Vec<FindingKind> {
        check(pins, published).into_iter().map(|finding| finding.kind).collect()
    }

    #[test]
    fn what_is_allowed_and_what_names_itself_is_no_finding_unless_nobody_has_it() {
        let pins = [
            pin("a", "t/a:old", State::Allowed("a reason".to_owned())),
            pin("b", "t/a:older", State::Own),
            pin("c", "t/a:now", State::Current),
            pin("d", "debian:12", State::External),
        ];
        assert_eq!(kinds(&pins, &Published::new()), []);
        assert_eq!(to_be_asked(&pins).len(), 2);
        let published =
            Published::from([("t/a:old".parse().unwrap(), Ok(false)), ("t/a:older".parse().unwrap(), Ok(true))]);
        assert_eq!(kinds(&pins, &published), [FindingKind::Unsatisfiable]);
    }

    #[test]
    fn two_tags_of_one_image_are_found_beside_the_stale_one() {
        let pins = [pin("a", "t/a:old", State::Stale), pin("b", "t/a:now", State::Current)];
        assert_eq!(kinds(&pins, &Published::new()), [FindingKind::Stale, FindingKind::TwoTags]);
        assert_eq!(kinds(&pins[..1], &Published::new()), [FindingKind::Stale]);
        let spellings = [pin("a", "t/a:old", State::Stale), pin("b", "docker.io/t/a:old", State::Stale)];
        assert_eq!(kinds(&spellings, &Published::new()), [FindingKind::Stale, FindingKind::Stale]);
        let other = [pin("a", "t/a:old", State::Stale), pin("b", "docker.io/t/a:older", State::Stale)];
        assert_eq!(kinds(&other, &Published::new()).last(), Some(&FindingKind::TwoTags));
    }
}
