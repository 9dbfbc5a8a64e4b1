//! What the places have under the name of a node, and how far each image there is to be believed.
//!
//! An image is usable when it is not known to be made from other inputs. On a registry such an image is still usable,
//! and called outdated; on the builder it is not, so that it is never published. A tag that does not contain the tree
//! hash, and the tag of a dirty package, vouch for nothing: there only an equal key counts.

use std::collections::BTreeSet;

use super::key::Components;
use super::node::{Doubt, Place};
use super::record::Record;
use super::{Inputs, OnOutdated, Request};
use crate::image::{Platform, Reference};
use crate::presence::{Fact, Facts, Found, KeyLabel};
use crate::problem::Problem;

/// What the key of an image says, compared with the key that the node has here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Made from the same inputs.
    Same,
    /// The keys cannot be compared.
    Unknown(Doubt),
    /// Made from other inputs.
    Other,
}

impl Origin {
    /// The best is the least.
    fn rank(self) -> u8 {
        match self {
            Self::Same => 0,
            Self::Unknown(_) => 1,
            Self::Other => 2,
        }
    }
}

/// How far the tag of a node speaks for the image under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vouching {
    /// It contains the tree hash.
    Content,
    /// It does not, so that only an equal key counts.
    Mutable,
    /// It is that of dirty files: mutable, and never on a registry.
    Dirty,
}

/// An image under the name of a node.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) origin: Origin,
    pub(super) place: Place,
    pub(super) found: Found,
}

/// What an image is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    /// The name that is looked for, with its tag.
    pub(super) image: &'a Reference,
    pub(super) platform: &'a Platform,
    /// Nothing where that cannot be told, as without a Dockerfile.
    pub(super) own: Option<&'a Own<'a>>,
    pub(super) vouching: Vouching,
}

/// What a node is made from here.
#[derive(Debug)]
pub(super) struct Own<'a> {
    pub(super) key: KeyLabel,
    pub(super) components: &'a Components,
    /// The needs whose keys do not say all there is to say.
    pub(super) indefinite: &'a BTreeSet<String>,
}

impl Own<'_> {
    /// Whether the key says all there is to say.
    pub(super) fn is_definite(&self) -> bool {
        self.indefinite.is_empty() && self.components.is_definite()
    }
}

/// Whether the registry has a node; under a tag that vouches for nothing only an equal key says so.
#[derive(Debug, Clone)]
pub(super) struct Published {
    /// As `image:tag-arch`.
    pub(super) arch_tag: Fact<()>,
    /// Listed by the index `image:tag`.
    pub(super) index: Fact<()>,
}

/// Everything the places say about a node.
#[derive(Debug)]
pub(super) struct Findings {
    /// All that is under its name, in the order of [`Place`].
    pub(super) candidates: Vec<Candidate>,
    /// The one that is used, if one is usable.
    pub(super) chosen: Option<Candidate>,
    /// Where this one is, or one that would do as well.
    pub(super) places: Vec<Place>,
    /// Where another image is under the name.
    pub(super) others: Vec<Place>,
    /// The questions that failed or were not asked.
    pub(super) unanswered: Vec<Problem>,
    pub(super) published: Published,
    /// Whether linuxkit's cache has it, and where linuxkit looks for it.
    pub(super) cached: bool,
    /// Whether the registry's index is there, and lists other platforms only.
    pub(super) listed_elsewhere: bool,
}

impl Findings {
    /// What is known of a node without a name.
    pub(super) fn nothing() -> Self {
        let published = Published { arch_tag: Fact::No, index: Fact::No };
        Self {
            candidates: Vec::new(),
            chosen: None,
            places: Vec::new(),
            others: Vec::new(),
            unanswered: Vec::new(),
            published,
            cached: false,
            listed_elsewhere: false,
        }
    }

    /// Looks at all places.
    pub(super) fn new(inputs: Inputs<'_>, request: &Request, subject: Subject<'_>) -> Self {
        let facts = look(inputs, request, subject);
        let mut candidates = Vec::new();
        let mut unanswered: Vec<Problem> = Vec::new();
        let mut causes = BTreeSet::new();
        for (place, fact) in [Place::Builder, Place::Cache, Place::Index, Place::ArchTag].into_iter().zip(&facts) {
            let problem = match fact {
                Fact::Yes(found) => {
                    let origin = subject.origin(found, inputs.facts);
                    candidates.push(Candidate { origin, place, found: found.clone() });
                    continue;
                }
                // A cache that nobody named is no place at all.
                Fact::NotAsked if place == Place::Cache => continue,
                Fact::No => continue,
                Fact::Unknown(problem) => problem.clone(),
                Fact::NotAsked => super::problem::not_asked(place, subject.image),
            };
            // A registry that does not answer is one problem of an image, whichever of its tags was asked for.
            if causes.insert((place.is_registry(), problem.code())) {
                unanswered.push(problem);
            }
        }
        let usable = candidates.iter().filter(|candidate| subject.can_use(candidate));
        let chosen = usable.min_by_key(|candidate| (candidate.origin.rank(), candidate.place)).cloned();
        let (places, others) = subject.places(&candidates, chosen.as_ref());
        let [_, _, index, arch_tag] = facts;
        let listed_in_cache =
            inputs.facts.in_cache(subject.image, subject.platform).found().is_some_and(|it| it.listed);
        let in_cache = |candidate: &&Candidate| candidate.place == Place::Cache && subject.can_use(candidate);
        let cached = listed_in_cache && candidates.iter().any(|candidate| in_cache(&candidate));
        let origin_at = |place| candidates.iter().find(|candidate| candidate.place == place).map(|found| found.origin);
        let (listed, tagged) = (origin_at(Place::Index), origin_at(Place::ArchTag));
        // An image made from other inputs is in the way of the right one, where that is to replace it.
        let replaced = request.on_outdated == OnOutdated::Rebuild
            && chosen.as_ref().is_some_and(|chosen| chosen.origin == Origin::Same);
        let in_the_way = |origin, replaced: bool| origin == Some(Origin::Other) && replaced;
        let published = Published {
            arch_tag: subject.counts(arch_tag, tagged, in_the_way(tagged, replaced)),
            // An index that lists another image than the right `tag-arch` was not written to the end.
            index: subject.counts(index, listed, in_the_way(listed, replaced || tagged == Some(Origin::Same))),
        };
        let listed_elsewhere = inputs.facts.listed_platforms(&subject.image.on(request.registry.as_deref()));
        let same = |listed: &Platform| listed.normal() == subject.platform.normal();
        let listed_elsewhere =
            subject.vouching != Vouching::Dirty && !listed_elsewhere.is_empty() && !listed_elsewhere.iter().any(same);
        Self { candidates, chosen, places, others, unanswered, published, cached, listed_elsewhere }
    }

    /// Whether a registry has the node, and only as made from other inputs.
    pub(super) fn published_from_other_inputs(&self) -> bool {
        let mut published = self.candidates.iter().filter(|candidate| candidate.place.is_registry()).peekable();
        published.peek().is_some() && published.all(|candidate| candidate.origin == Origin::Other)
    }
}

impl Subject<'_> {
    /// The key of an image, if it speaks of this node and not of an image that it was built on.
    pub(super) fn key_of<'f>(&self, found: &'f Found) -> Option<&'f KeyLabel> {
        found.key.as_ref().filter(|key| key.name == self.image.name() && key.platform == *self.platform)
    }

    fn origin(&self, found: &Found, facts: &Facts) -> Origin {
        let Some(key) = self.key_of(found) else {
            return Origin::Unknown(match (&found.key, found.garbled) {
                (Some(_), _) => Doubt::ForeignKey,
                (None, true) => Doubt::MalformedKey,
                (None, false) => Doubt::NoKey,
            });
        };
        let Some(own) = self.own else { return Origin::Unknown(Doubt::NotDescribed) };
        if own.key.hash == key.hash {
            return Origin::Same;
        }
        // What nobody knows of the images below it may be all that differs; without a record of the image nobody can tell.
        let may_be_same = match record_of(found, key, facts) {
            Some(record) => record.may_be_of(own.components, own.indefinite),
            None => !own.is_definite(),
        };
        match may_be_same {
            true if own.is_definite() => Origin::Unknown(Doubt::BaseWasUnknown),
            true => Origin::Unknown(Doubt::UnknownBase),
            false => Origin::Other,
        }
    }

    fn can_use(&self, candidate: &Candidate) -> bool {
        match candidate.origin {
            Origin::Same => true,
            Origin::Unknown(_) => self.vouching == Vouching::Content,
            Origin::Other => self.vouching == Vouching::Content && candidate.place.is_registry(),
        }
    }

    /// The places of what is used or would do as well, and those of what is another image.
    fn places(&self, candidates: &[Candidate], chosen: Option<&Candidate>) -> (Vec<Place>, Vec<Place>) {
        let would_do = |candidate: &Candidate| {
            let alike = |chosen: &Candidate| (chosen.origin == Origin::Other) == (candidate.origin == Origin::Other);
            self.can_use(candidate) && chosen.is_some_and(alike)
        };
        let (places, others): (Vec<&Candidate>, Vec<&Candidate>) =
            candidates.iter().partition(|candidate| would_do(candidate));
        let of = |candidates: Vec<&Candidate>| candidates.into_iter().map(|candidate| candidate.place).collect();
        (of(places), of(others))
    }

    /// Whether what a registry has is the node.
    fn counts(&self, fact: Fact<Found>, origin: Option<Origin>, in_the_way: bool) -> Fact<()> {
        match fact {
            Fact::Yes(_) if in_the_way => Fact::No,
            Fact::Yes(_) if self.vouching != Vouching::Content && origin != Some(Origin::Same) => Fact::No,
            Fact::Yes(_) => Fact::Yes(()),
            Fact::No => Fact::No,
            Fact::Unknown(problem) => Fact::Unknown(problem),
            Fact::NotAsked => Fact::NotAsked,
        }
    }
}

/// What an image says that it was made from, as far as that is known.
fn record_of(found: &Found, key: &KeyLabel, facts: &Facts) -> Option<Record> {
    let label = found.components.as_ref().or_else(|| facts.components_of(&found.digest).found())?;
    Record::parse(label, key).ok()
}

/// The facts about builder, cache, index and `tag-arch`; an image of another platform is none.
fn look(inputs: Inputs<'_>, request: &Request, subject: Subject<'_>) -> [Fact<Found>; 4] {
    let (image, platform) = (subject.image, subject.platform);
    let facts = inputs.facts;
    let remote = image.on(request.registry.as_deref());
    if request.only_index() {
        return [
            Fact::No,
            Fact::No,
            right(facts.in_index(&remote, platform), platform),
            right(facts.at_arch_tag(&remote, platform), platform),
        ];
    }
    let mut builder = right(facts.on_builder(&image.arch_tag(platform)), platform);
    if builder.is_no() && *platform == request.builder {
        builder = right(facts.on_builder(image), platform);
    }
    let cache = facts.in_cache(image, platform).map(|cached| &cached.found);
    let cache = right(cache, platform);
    if subject.vouching == Vouching::Dirty {
        return [builder, cache, Fact::No, Fact::No];
    }
    let (index, tagged) = (facts.in_index(&remote, platform), facts.at_arch_tag(&remote, platform));
    [builder, cache, right(index, platform), right(tagged, platform)]
}

/// A fact about an image that must be of this platform, if the place says of which it is.
pub(super) fn right(fact: Fact<&Found>, platform: &Platform) -> Fact<Found> {
    match fact {
        Fact::Yes(found) if found.platform.as_ref().is_none_or(|there| there.normal() == platform.normal()) => {
            Fact::Yes(found.clone())
        }
        Fact::Yes(_) | Fact::No => Fact::No,
        Fact::Unknown(problem) => Fact::Unknown(problem),
        Fact::NotAsked => Fact::NotAsked,
    }
}
