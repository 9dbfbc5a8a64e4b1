//! The pins of a workspace, and what each means.
//!
//! Dockerfiles are seen on all platforms of the graph and for all packages that use them; what is the same for several is
//! one pin. An entry of docker-images is one by the tag before its digest. A reference that a build arg of a yml gives is the pin of that build arg, since it is written there. The state
//! of a pin is measured by the tags that are handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::image_file::ImageFile;
use super::{Kind, Pin, State};
use crate::git::Tags;
use crate::graph::{Graph, NodeReference, Repositories, State as Meaning};
use crate::image::{Platform, Reference};
use crate::problem::SourceFile;
use crate::workspace::build_yml::Located;
use crate::workspace::dockerfile::ReferenceKind;
use crate::workspace::{PackageId, Workspace};

/// All pins, sorted by file and place.
#[must_use]
pub fn list(workspace: &Workspace, tags: &Tags, graph: &Graph, images: &[ImageFile]) -> Vec<Pin> {
    let lister = Lister { workspace, tags, repositories: Repositories::new(workspace, tags) };
    let mut references: BTreeMap<PackageId, Vec<&NodeReference>> = BTreeMap::new();
    for ((id, _), node) in &graph.nodes {
        references.entry(*id).or_default().extend(&node.references);
    }
    let mut pins = Vec::new();
    for id in workspace.ids() {
        let args = lister.build_args(id);
        lister.dockerfile(id, references.get(&id).map_or(&[][..], Vec::as_slice), &args, &mut pins);
        pins.extend(args);
        pins.extend(lister.docker_images(id));
    }
    // What is read as something else already has its pins where that says.
    let mut known: BTreeSet<&str> = BTreeSet::from([workspace.config.source.path.as_str()]);
    for package in &workspace.packages {
        known.extend(package.build.iter().map(|build| build.source.path.as_str()));
        known.extend(package.dockerfile.iter().map(|file| file.source.path.as_str()));
        known.extend(package.build_args.iter().map(|file| file.source.path.as_str()));
    }
    for image in images.iter().filter(|image| !known.contains(image.source.path.as_str())) {
        lister.image_file(image, &mut pins);
    }
    merge(pins)
}

/// Pins that are one and the same for several packages.
fn merge(pins: Vec<Pin>) -> Vec<Pin> {
    let mut merged: BTreeMap<_, Pin> = BTreeMap::new();
    for pin in pins {
        let key = pin.key();
        let state = match &pin.state {
            State::Allowed(_) => "allowed",
            other => other.name(),
        };
        let key = (key.0.to_owned(), key.1, key.2, key.3, key.4.to_owned(), state);
        match merged.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(pin)),
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.used_by.extend(pin.used_by);
                known.is_reached |= pin.is_reached;
            }
        }
    }
    merged.into_values().collect()
}

struct Lister<'a> {
    workspace: &'a Workspace,
    tags: &'a Tags,
    repositories: Repositories,
}

impl Lister<'_> {
    fn dockerfile(&self, id: PackageId, references: &[&NodeReference], args: &[Pin], pins: &mut Vec<Pin>) {
        let package = self.workspace.package(id);
        let (Some(dockerfile), Some(build)) = (&package.dockerfile, &package.build) else { return };
        let given = |name: &String, text: &str| {
            let entries = build.build_args.iter().chain(package.build_args.iter().flat_map(|file| &file.entries));
            let is_given = |entry: &Located<String>| entry.value.split_once('=') == Some((name, text));
            entries.into_iter().any(is_given) && args.iter().any(|pin| pin.reference == text)
        };
        for reference in references {
            let image = &reference.image;
            if image.expanded.as_ref().is_ok_and(|text| image.through.iter().any(|name| given(name, text))) {
                continue;
            }
            pins.push(self.reference(id, &dockerfile.source, reference));
        }
    }

    fn reference(&self, id: PackageId, source: &SourceFile, reference: &NodeReference) -> Pin {
        let image = &reference.image;
        let kind = match image.kind {
            ReferenceKind::From => Kind::From,
            ReferenceKind::CopyFrom => Kind::CopyFrom,
            ReferenceKind::MountFrom => Kind::MountFrom,
        };
        let parsed = image.expanded.clone().and_then(|text| {
            let parsed = text.parse::<Reference>().map_err(|invalid| invalid.reason.to_owned())?;
            Ok((text, parsed))
        });
        let (text, parsed) = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                let place = Place { source, line: image.line, kind };
                let pin = place.unresolved(&image.written, &why, Some(id));
                return Pin { is_reached: image.reached, ..pin };
            }
        };
        let stands = |range: &Range<usize>| source.text.get(range.clone()) == Some(text.as_str());
        let at = if stands(&image.span) {
            Ok(image.span.clone())
        } else if let Some(origin) = image.origin.as_ref().filter(|origin| stands(origin)) {
            Ok(origin.clone())
        } else if image.through.is_empty() {
            Err("it is not written in one piece".to_owned())
        } else {
            let names: Vec<String> = image.through.iter().map(|name| format!("`{name}`")).collect();
            Err(format!("it is put together from {}", names.join(", ")))
        };
        let place = Place { source, line: image.line, kind };
        let pin = self.pin(&place, at, &text, &parsed, Some((id, reference.state)));
        Pin { is_reached: image.reached, ..pin }
    }

    /// The build args of a package whose value is a tag of an image made here.
    fn build_args(&self, id: PackageId) -> Vec<Pin> {
        let package = self.workspace.package(id);
        let Some(build) = &package.build else { return Vec::new() };
        let own = build.build_args.iter().map(|entry| (&build.source, entry));
        let files = package.build_args.iter().flat_map(|file| file.entries.iter().map(|entry| (&file.source, entry)));
        let mut pins = Vec::new();
        for (source, entry) in own.chain(files) {
            let Some((_, value)) = entry.value.split_once('=') else { continue };
            let Ok(parsed) = value.parse::<Reference>() else { continue };
            if parsed.tag().is_none() || self.repositories.makers(&parsed).next().is_none() {
                continue;
            }
            let at = once(&source.text, &entry.span, value).ok_or_else(|| "it is not written as it is".to_owned());
            let place = Place { source, line: entry.line, kind: Kind::BuildArg };
            let (meaning, _) = self.repositories.meaning(id, &parsed, false);
            pins.push(self.pin(&place, at, value, &parsed, Some((id, meaning))));
        }
        pins
    }

    /// The images of this repository that a build wants as tar files. Each is named by its digest, and a tag before it says
    /// which one is meant; without a tag nobody knows.
    fn docker_images(&self, id: PackageId) -> Vec<Pin> {
        let Some(build) = &self.workspace.package(id).build else { return Vec::new() };
        let mut pins = Vec::new();
        for image in &build.docker_images.images {
            let written = image.reference.to_string();
            let Some(tagged) = image.reference.tag().map(|tag| format!("{}:{tag}", image.reference.name())) else {
                continue;
            };
            let Ok(tagged) = tagged.parse::<Reference>() else { continue };
            if self.repositories.makers(&tagged).next().is_none() {
                continue;
            }
            let source = SourceFile::new(image.file.clone(), "");
            let place = Place { source: &source, line: image.line, kind: Kind::DockerImage };
            let (meaning, _) = self.repositories.meaning(id, &tagged, false);
            let digest = Err("it names a digest, which only a published image has".to_owned());
            pins.push(self.pin(&place, digest, &written, &tagged, Some((id, meaning))));
        }
        pins
    }

    fn image_file(&self, file: &ImageFile, pins: &mut Vec<Pin>) {
        for found in &file.references {
            let text = &file.source.text[found.span.clone()];
            let Ok(parsed) = text.parse::<Reference>() else { continue };
            if parsed.tag().is_none() || self.repositories.makers(&parsed).next().is_none() {
                continue;
            }
            let line = file.source.line(found.span.start);
            let place = Place { source: &file.source, line, kind: Kind::ImageFile };
            if let Some(whole) = &found.template {
                pins.push(place.unresolved(&file.source.text[whole.clone()], "a template is part of it", None));
                continue;
            }
            match self.one_architecture(&parsed) {
                Some((image, suffix)) => {
                    let why = format!("it names the image of one architecture, `{}`", suffix.trim_start_matches('-'));
                    let mut pin = self.pin(&place, Err(why), text, &image, None);
                    let tag = pin.expected.as_ref().and_then(Reference::tag).map(|tag| format!("{tag}{suffix}"));
                    pin.expected = tag.map(|tag| parsed.with_tag(&tag));
                    pins.push(pin);
                }
                None => pins.push(self.pin(&place, Ok(found.span.clone()), text, &parsed, None)),
            }
        }
    }

    /// The image of which a reference names what is for one architecture, and the end of the tag that says so, if the
    /// package has such tags.
    fn one_architecture<'a>(&self, parsed: &'a Reference) -> Option<(Reference, &'a str)> {
        let tag = parsed.tag().filter(|_| parsed.digest().is_none() && self.repositories.formed(parsed).is_none())?;
        let (image, suffix) = tag.split_at(tag.rfind('-')?);
        let architecture = suffix.strip_prefix('-')?;
        let is_one = Platform::ARCHITECTURES.iter().any(|known| {
            // With a variant after it, such as `v7`.
            let variant = architecture.strip_prefix(known);
            variant.is_some_and(|variant| {
                let digits = variant.strip_prefix('v');
                variant.is_empty() || digits.is_some_and(|digits| digits.parse::<u8>().is_ok())
            })
        });
        let image = parsed.with_tag(image);
        (is_one && self.repositories.formed(&image).is_some()).then_some((image, suffix))
    }

    /// A pin whose reference stands at `at`, if anywhere; `user` is the package it is for, with what it means there.
    fn pin(
        &self,
        place: &Place<'_>,
        at: Result<Range<usize>, String>,
        text: &str,
        parsed: &Reference,
        user: Option<(PackageId, Meaning)>,
    ) -> Pin {
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
                None => State::Stale,
            },
            _ => State::External,
        };
        let expected = package.filter(|_| state != State::Own).and_then(|id| self.present(id));
        let expected = expected.and_then(|present| Some(parsed.with_tag(present.tag()?)));
        let tag_at = at.and_then(|range| match (parsed.tag(), parsed.digest()) {
            (_, Some(_)) => Err("it names a digest".to_owned()),
            (None, None) => Err("it has no tag".to_owned()),
            _ if is_foreign && package.is_none() => {
                Err("its tag has not the form of the tags that are made here, so it could be anybody's".to_owned())
            }
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
            expected,
            tag_at,
        }
    }

    fn present(&self, id: PackageId) -> Option<&Reference> {
        self.tags.get(id)?.identity.reference().ok()
    }
}

/// Where a reference is written.
struct Place<'a> {
    source: &'a SourceFile,
    line: u32,
    kind: Kind,
}

impl Place<'_> {
    /// A pin of which nobody knows what it means.
    fn unresolved(&self, written: &str, why: &str, user: Option<PackageId>) -> Pin {
        Pin {
            file: self.source.path.clone(),
            line: self.line,
            kind: self.kind,
            reference: written.to_owned(),
            state: State::Unresolved(why.to_owned()),
            is_reached: true,
            used_by: user.into_iter().collect(),
            package: None,
            expected: None,
            tag_at: Err(why.to_owned()),
        }
    }
}

/// Where a text stands within a range, if it does so exactly once.
fn once(text: &str, range: &Range<usize>, wanted: &str) -> Option<Range<usize>> {
    let within = text.get(range.clone())?;
    let mut found = within.match_indices(wanted);
    let (at, _) = found.next()?;
    found.next().is_none().then(|| range.start + at..range.start + at + wanted.len())
}
