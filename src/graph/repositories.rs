//! Which package an image reference names.
//!
//! A package is known by the org and image of its build yml and by the tag computed from them, never by its directory
//! or by what the command line calls it. Several packages may make one repository, with different tags.

use std::collections::BTreeMap;

use crate::git::Tags;
use crate::image::{Platform, Reference};
use crate::workspace::{PackageId, Workspace};

use super::State;
use super::form::has_form;

/// What a reference without a tag means.
const DEFAULT_TAG: &str = "latest";

/// Every repository that a package of the workspace makes.
#[derive(Debug)]
pub struct Repositories {
    /// By what the build ymls call them.
    made: BTreeMap<String, Vec<Maker>>,
    /// By what the command line calls them.
    called: BTreeMap<String, Vec<Maker>>,
}

/// A package that makes images of a repository.
#[derive(Debug, Clone)]
struct Maker {
    id: PackageId,
    default: bool,
    /// Its computed tag; `None` when git could not tell, or when it is not a legal tag.
    tag: Option<String>,
    /// The hash in it.
    hash: String,
    /// The tag it is given by the command line.
    output: Option<String>,
}

impl Repositories {
    /// From the tags of all packages.
    #[must_use]
    pub fn new(workspace: &Workspace, tags: &Tags) -> Self {
        let mut made: BTreeMap<String, Vec<Maker>> = BTreeMap::new();
        let mut called: BTreeMap<String, Vec<Maker>> = BTreeMap::new();
        for id in workspace.ids() {
            let package = workspace.package(id);
            let tag = tags.get(id);
            // Without a legal tag the package is still the one that pins to its repository mean.
            let identity = tag.and_then(|tag| tag.identity.reference().ok());
            let name = identity.cloned().or_else(|| package.identity.clone());
            let Some(name) = name else { continue };
            let output = tag.and_then(|tag| tag.output.reference().ok());
            let maker = Maker {
                id,
                default: package.default,
                tag: identity.map(|identity| tag_of(identity).to_owned()),
                hash: tag.map(|tag| tag.hash.clone()).unwrap_or_default(),
                output: output.map(|output| tag_of(output).to_owned()),
            };
            if let Some(output) = output {
                called.entry(repository(output)).or_default().push(maker.clone());
            }
            made.entry(repository(&name)).or_default().push(maker);
        }
        // The packages that directories mean first, so that the first maker is the one that a stale pin is said to name.
        for makers in made.values_mut().chain(called.values_mut()) {
            makers.sort_by_key(|maker| (!maker.default, maker.id));
        }
        Self { made, called }
    }

    /// The packages that make the repository of a reference, those first that their directories mean.
    pub fn makers(&self, reference: &Reference) -> impl Iterator<Item = PackageId> {
        self.made.get(&repository(reference)).into_iter().flatten().map(|maker| maker.id)
    }

    /// The package whose image a reference names, be its tag a former one: the only maker, whatever the tag; of several the
    /// one whose tags have the form of this one. `None` where there is none, or several could be meant.
    #[must_use]
    pub fn named(&self, reference: &Reference) -> Option<PackageId> {
        match self.made.get(&repository(reference))?.as_slice() {
            [maker] => Some(maker.id),
            _ => self.formed(reference),
        }
    }

    /// The package whose tags have the form of the tag of a reference, if it is one.
    #[must_use]
    pub fn formed(&self, reference: &Reference) -> Option<PackageId> {
        let written = reference.tag()?;
        let fits = |maker: &&Maker| maker.tag.as_ref().is_some_and(|tag| has_form(written, tag, &maker.hash));
        let mut fitting = self.made.get(&repository(reference))?.iter().filter(fits);
        let first = fitting.next()?;
        fitting.all(|maker| maker.tag == first.tag).then_some(first.id)
    }

    /// The image and the platform of a reference to what is for one platform: its tag is one that a package here gives its
    /// images, with an architecture after it, which is no part of the tags of any package.
    #[must_use]
    pub fn one_platform(&self, reference: &Reference) -> Option<(Reference, Platform)> {
        let tag = reference.tag().filter(|_| reference.digest().is_none() && self.formed(reference).is_none())?;
        let (tag, architecture) = tag.rsplit_once('-')?;
        let platform = Platform::ARCHITECTURES.iter().find_map(|known| match architecture.strip_prefix(known)? {
            "" => Some(Platform::linux(known)),
            variant => {
                let is_variant = variant.strip_prefix('v').is_some_and(|digits| digits.parse::<u8>().is_ok());
                Platform::known(&format!("linux/{known}/{variant}")).ok().filter(|_| is_variant)
            }
        })?;
        let image = reference.with_tag(tag);
        let has_tag = |maker: &Maker| maker.tag.as_deref() == Some(tag);
        let is_present = self.made.get(&repository(&image))?.iter().any(has_tag);
        (is_present || self.formed(&image).is_some()).then_some((image, platform))
    }

    /// What a reference in a Dockerfile of `from` means. `own_name` says that the reference was written with `PKG_IMAGE`
    /// or `PKG_HASH`, and so changes with the names that the command line gives. The image of one platform is the package's as
    /// much as that of all.
    #[must_use]
    pub fn meaning(&self, from: PackageId, reference: &Reference, own_name: bool) -> (State, Option<PackageId>) {
        let whole = self.one_platform(reference).map(|(whole, _)| whole);
        let reference = whole.as_ref().unwrap_or(reference);
        let name = repository(reference);
        let called = self.called.get(&name).filter(|_| own_name);
        let Some(makers) = self.made.get(&name).or(called) else { return (State::External, None) };
        let tag = tag_of(reference);
        let has_tag =
            |maker: &&Maker| maker.tag.as_deref() == Some(tag) || own_name && maker.output.as_deref() == Some(tag);
        // A digest names bytes that are published already, whatever tag stands before it.
        if reference.digest().is_none()
            && let Some(maker) = makers.iter().filter(|maker| maker.id != from).find(has_tag)
        {
            return (State::Current, Some(maker.id));
        }
        let own = makers.iter().find(|maker| maker.id == from && own_name).map(|maker| maker.id);
        (State::Stale, own.or_else(|| self.named(reference)).or_else(|| makers.first().map(|maker| maker.id)))
    }

    /// The package that makes the repository of `reference`, preferably under the same tag.
    pub(super) fn maker(&self, reference: &Reference) -> Option<PackageId> {
        let makers = self.made.get(&repository(reference))?;
        let tag = reference.tag();
        let same = makers.iter().find(|maker| tag.is_some() && maker.tag.as_deref() == tag);
        same.or(makers.first()).map(|maker| maker.id)
    }
}

fn repository(reference: &Reference) -> String {
    reference.canonical().name()
}

fn tag_of(reference: &Reference) -> &str {
    reference.tag().unwrap_or(DEFAULT_TAG)
}
