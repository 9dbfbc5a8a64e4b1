//! The pins of build args and docker-images.

use std::ops::Range;

use super::Lister;
use super::meaning::Place;
use crate::image::Reference;
use crate::pins::{Kind, Pin};
use crate::problem::SourceFile;
use crate::workspace::PackageId;

impl Lister<'_> {
    /// The build args of a package whose value is a tag of an image made here.
    pub(super) fn build_args(&self, id: PackageId) -> Vec<Pin> {
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
            let at = once(&source.text, &entry.span, value).ok_or_else(|| "it is not written literally".to_owned());
            let place = Place { source, line: entry.line, kind: Kind::BuildArg };
            let (meaning, _) = self.repositories.meaning(id, &parsed, false);
            pins.push(self.pin(&place, at, value, &parsed, Some((id, meaning))));
        }
        pins
    }

    /// The images of this repository that a build wants as tar files. Each is named by its digest, and a tag before it says
    /// which one is meant; without a tag nobody knows.
    pub(super) fn docker_images(&self, id: PackageId) -> Vec<Pin> {
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
}

/// Where a text stands within a range, if it does so exactly once.
fn once(text: &str, range: &Range<usize>, wanted: &str) -> Option<Range<usize>> {
    let within = text.get(range.clone())?;
    let mut found = within.match_indices(wanted);
    let (at, _) = found.next()?;
    found.next().is_none().then(|| range.start + at..range.start + at + wanted.len())
}
