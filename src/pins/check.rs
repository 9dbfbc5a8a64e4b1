//! What is wrong with the pins as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pin, State};
use crate::image::Reference;
use crate::problem::Problem;
use crate::workspace::PackageId;

/// What registries say of images as pins name them: whether they have it, or why that cannot be told.
pub type Availability = BTreeMap<Reference, Result<bool, Problem>>;

/// What is known of the pins.
#[derive(Debug, Clone)]
pub struct Checked {
    /// All findings, each sort sorted by file and line.
    pub findings: Vec<Finding>,
    /// The images of which nobody knows whether they are there, with the reason; `None` where nobody asked.
    pub unknown: BTreeMap<Reference, Option<Problem>>,
}

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
    /// Its registry does not have the image, and no build of this repository makes it.
    Unsatisfiable,
    /// The package has another tag by now.
    Stale,
    /// The image of one package is named by several tags.
    TwoTags,
}

impl FindingKind {
    /// As it is printed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unresolved => "unresolved",
            Self::Unsatisfiable => "unsatisfiable",
            Self::Stale => "stale",
            Self::TwoTags => "two tags",
        }
    }
}

/// All that is wrong with one pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong<'a> {
    /// The pin.
    pub pin: &'a Pin,
    /// What it is.
    pub kinds: BTreeSet<FindingKind>,
    /// The other pins that name the image by another tag.
    pub others: Vec<&'a Pin>,
}

/// The images that have to be on a registry already, since no build of this repository as it is makes them: each as it is
/// written, with its name there. What was made here lives on `registry` where the name has no host.
#[must_use]
pub fn needed_images(pins: &[Pin], registry: Option<&str>) -> BTreeMap<Reference, Reference> {
    let needed = pins.iter().filter_map(|pin| {
        let image = needed(pin)?;
        let there = if is_former(pin) { image.on(registry) } else { image.canonical() };
        Some((image, there))
    });
    needed.collect()
}

/// Looks for all that is wrong.
#[must_use]
pub fn check(pins: &[Pin], available: &Availability) -> Checked {
    let of = |kind, wrong: &dyn Fn(&Pin) -> bool| -> Vec<Finding> {
        pins.iter().filter(|pin| wrong(pin)).map(|pin| Finding { kind, pins: vec![pin.clone()] }).collect()
    };
    let is_absent = |pin: &Pin| needed(pin).is_some_and(|image| matches!(available.get(&image), Some(Ok(false))));
    let mut findings = of(FindingKind::Unresolved, &|pin| matches!(pin.state, State::Unresolved(_)));
    findings.extend(of(FindingKind::Unsatisfiable, &is_absent));
    findings.extend(of(FindingKind::Stale, &|pin| pin.state == State::Stale));
    findings.extend(two_tags(pins));
    let unknown = pins.iter().filter_map(needed).filter_map(|image| match available.get(&image) {
        Some(Ok(_)) => None,
        Some(Err(problem)) => Some((image, Some(problem.clone()))),
        None => Some((image, None)),
    });
    Checked { findings, unknown: unknown.collect() }
}

impl Checked {
    /// Whether a fix has something to write.
    #[must_use]
    pub fn is_fixable(&self) -> bool {
        self.findings.iter().flat_map(|finding| &finding.pins).any(|pin| pin.state == State::Stale && pin.is_live())
    }

    /// The findings by pin, the worst first. Where an image is named by several tags, a pin to the present one is right.
    #[must_use]
    pub fn by_pin(&self) -> Vec<Wrong<'_>> {
        let mut found: BTreeMap<_, Wrong<'_>> = BTreeMap::new();
        for finding in &self.findings {
            let several = finding.kind == FindingKind::TwoTags;
            for pin in finding.pins.iter().filter(|pin| !several || pin.state != State::Current) {
                let others = finding.pins.iter().filter(|other| several && canonical(other) != canonical(pin));
                let wrong =
                    found.entry(pin.key()).or_insert_with(|| Wrong { pin, kinds: BTreeSet::new(), others: Vec::new() });
                wrong.kinds.insert(finding.kind);
                wrong.others.extend(others);
            }
        }
        let mut all: Vec<Wrong<'_>> = found.into_values().collect();
        all.sort_by(|a, b| a.kinds.cmp(&b.kinds));
        all
    }
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
    let former = |pin: &Pin| canonical(pin).filter(|_| pin.state != State::Current);
    let several = move |pins: &Vec<Pin>| pins.iter().map(former).collect::<BTreeSet<_>>().len() > 1;
    by_package.into_values().filter(several).map(|pins| Finding { kind: FindingKind::TwoTags, pins })
}

fn canonical(pin: &Pin) -> Option<Reference> {
    let image = tag(pin)?;
    let whole = image.tag()?.strip_suffix(&pin.suffix)?;
    Some(image.with_tag(whole).canonical())
}

/// The image that has to be on a registry already for a build to succeed. A former one that is named by its digest was
/// published.
fn needed(pin: &Pin) -> Option<Reference> {
    let image: Reference = pin.reference.parse().ok()?;
    let is_external = pin.state == State::External;
    (pin.is_reached && (is_external || is_former(pin) && image.digest().is_none())).then_some(image)
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
            is_reached: true,
            used_by: BTreeSet::new(),
            package: Some(PackageId(0)),
            suffix: String::new(),
            expected: None,
            tag_at: Ok(0..0),
        }
    }

    fn kinds(pins: &[Pin], available: &Availability) -> Vec<FindingKind> {
        check(pins, available).findings.into_iter().map(|finding| finding.kind).collect()
    }

    fn image(text: &str) -> Reference {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_allowed_and_what_names_itself_is_no_finding_unless_nobody_has_it() {
        let pins = [
            pin("a", "t/a:old", State::Allowed("a reason".to_owned())),
            pin("b", "t/a:older", State::Own),
            pin("c", "t/a:now", State::Current),
            pin("d", "debian:12", State::External),
        ];
        assert_eq!(kinds(&pins, &Availability::new()), []);
        let available = Availability::from([(image("t/a:old"), Ok(false)), (image("t/a:older"), Ok(true))]);
        assert_eq!(kinds(&pins, &available), [FindingKind::Unsatisfiable]);
    }

    #[test]
    fn what_no_build_here_makes_is_needed_from_where_it_lives() {
        let digest = format!("t/a@sha256:{}", "0".repeat(64));
        let mut pins = [
            pin("a", "t/a:old", State::Stale),
            pin("a", &digest, State::Stale),
            pin("b", "t/a", State::Own),
            pin("c", "t/a:now", State::Current),
            pin("d", "debian", State::External),
            pin("e", "host.example/x:1", State::External),
            pin("f", "unneeded:1", State::External),
        ];
        pins[6].is_reached = false;
        let needed = needed_images(&pins, Some("reg.example/mirror"));
        let needed: Vec<[String; 2]> =
            needed.iter().map(|(image, there)| [image, there].map(ToString::to_string)).collect();
        let expected = [
            ["debian", "docker.io/library/debian"],
            ["t/a", "reg.example/mirror/t/a"],
            ["t/a:old", "reg.example/mirror/t/a:old"],
            ["host.example/x:1", "host.example/x:1"],
        ];
        assert_eq!(needed, expected.map(|row| row.map(str::to_owned)));
        let checked = check(&pins, &Availability::from([(image("debian"), Ok(false)), (image("t/a"), Ok(true))]));
        let absent = checked.findings.iter().find(|finding| finding.kind == FindingKind::Unsatisfiable).unwrap();
        assert_eq!(absent.pins, [pins[4].clone()]);
        let unknown: Vec<String> = checked.unknown.keys().map(ToString::to_string).collect();
        assert_eq!(unknown, ["t/a:old", "host.example/x:1"]);
    }

    #[test]
    fn all_that_is_wrong_with_one_pin_is_said_of_it_once() {
        let pins = [
            pin("a", "t/a:now", State::Current),
            pin("b", "t/a:old", State::Stale),
            pin("c", "t/a:now", State::Current),
            pin("d", "debian:0", State::External),
        ];
        let absent = Availability::from([(image("t/a:old"), Ok(false)), (image("debian:0"), Ok(false))]);
        let checked = check(&pins, &absent);
        assert_eq!(checked.findings.len(), 4);
        let by_pin: Vec<(&str, Vec<FindingKind>, usize)> = (checked.by_pin().iter())
            .map(|wrong| (wrong.pin.file.as_str(), wrong.kinds.iter().copied().collect(), wrong.others.len()))
            .collect();
        let all = vec![FindingKind::Unsatisfiable, FindingKind::Stale, FindingKind::TwoTags];
        assert_eq!(by_pin, [("d", vec![FindingKind::Unsatisfiable], 0), ("b", all, 2)]);
    }

    #[test]
    fn two_tags_of_one_image_are_found_beside_the_stale_one() {
        let pins = [pin("a", "t/a:old", State::Stale), pin("b", "t/a:now", State::Current)];
        assert_eq!(kinds(&pins, &Availability::new()), [FindingKind::Stale, FindingKind::TwoTags]);
        assert_eq!(kinds(&pins[..1], &Availability::new()), [FindingKind::Stale]);
        let spellings = [pin("a", "t/a:old", State::Stale), pin("b", "docker.io/t/a:old", State::Stale)];
        assert_eq!(kinds(&spellings, &Availability::new()), [FindingKind::Stale, FindingKind::Stale]);
        let other = [pin("a", "t/a:old", State::Stale), pin("b", "docker.io/t/a:older", State::Stale)];
        assert_eq!(kinds(&other, &Availability::new()).last(), Some(&FindingKind::TwoTags));
    }
}
