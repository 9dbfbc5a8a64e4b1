//! The way through all packages.
//!
//! The packages are gone through in rounds: in each, the tags of the round before are written into the files that name
//! them, and git is asked what the packages with these files will be called. There are as many rounds as the longest chain
//! of packages has links, and each asks git a handful of times, however many packages it has.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Carried, DirtyTags, Request, Rewrite};
use crate::git::{Future, PackageTag, Tags};
use crate::image::Reference;
use crate::pins::files::Files;
use crate::pins::order::{Link, order};
use crate::pins::{Pin, State};
use crate::problem::Problem;
use crate::workspace::{Package, PackageId};

/// One way through all packages.
pub(super) struct Pass<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) live: &'a [(&'a Pin, usize)],
    /// The places in `live` of the pins of each file.
    by_file: Vec<Vec<usize>>,
    pub(super) files: &'a Files,
    pub(super) tags: Tags,
    pub(super) carried: Vec<bool>,
    pub(super) texts: BTreeMap<usize, String>,
    pub(super) rewrites: Vec<Rewrite>,
    pub(super) loops: BTreeMap<usize, Vec<usize>>,
}

impl<'a> Pass<'a> {
    pub(super) fn new(request: &'a Request<'a>, live: &'a [(&'a Pin, usize)], files: &'a Files, tags: Tags) -> Self {
        let count = request.workspace.packages.len();
        let carried = match request.carried {
            Carried::All => vec![true; count],
            Carried::These(packages) => {
                let mut carried = vec![false; count];
                for package in packages {
                    carried[package.index()] = true;
                }
                carried
            }
        };
        let mut by_file = vec![Vec::new(); files.all.len()];
        for (place, (_, file)) in live.iter().enumerate() {
            by_file[*file].push(place);
        }
        let (texts, rewrites, loops) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        Self { request, live, by_file, files, tags, carried, texts, rewrites, loops }
    }

    pub(super) fn run(&mut self, future: &mut Future) -> Result<(), Problem> {
        let workspace = self.request.workspace;
        let links: Vec<Link> = (self.live.iter())
            .filter_map(|(pin, file)| {
                let target = pin.package?.index();
                Some(Link { file: *file, target, stale: pin.state == State::Stale })
            })
            .collect();
        let follows = |package: usize| follows_from_files(&workspace.packages[package]);
        let covers: Vec<Vec<usize>> = (self.files.all.iter())
            .map(|file| file.covered_by.iter().copied().filter(|&package| follows(package)).collect())
            .collect();
        let order = order(&links, &covers, workspace.packages.len());
        self.loops = order.loops;
        let rounds = order.files.iter().copied().max().unwrap_or(0);
        let mut touched = BTreeSet::new();
        for round in 1..=rounds {
            let due = (0..self.files.all.len()).filter(|&file| order.files[file] == round);
            let written: Vec<usize> = due.filter(|&file| self.rewrite(file)).collect();
            let texts = written.iter().map(|file| (self.files.all[*file].real.as_path(), self.texts[file].as_str()));
            future.write(texts)?;
            touched.extend(written.iter().flat_map(|&file| covers[file].iter().copied()));
            let known = workspace.ids().filter(|id| order.packages[id.index()] == round);
            let known: Vec<PackageId> = known.filter(|id| touched.contains(&id.index())).collect();
            self.rename(&known, future)?;
        }
        Ok(())
    }

    /// Writes the present tags into a file, in memory. Says whether it changed.
    fn rewrite(&mut self, file: usize) -> bool {
        let mut replaced: BTreeMap<usize, (Range<usize>, String)> = BTreeMap::new();
        for place in &self.by_file[file] {
            let (pin, _) = self.live[*place];
            let (Some(package), Ok(range)) = (pin.package, &pin.tag_at) else { continue };
            if self.loops.contains_key(place) || !self.carried[package.index()] {
                continue;
            }
            let Some(to) = self.due(pin, package) else { continue };
            let tag = to.tag().unwrap_or_default().to_owned();
            replaced.insert(range.start, (range.clone(), tag));
            self.rewrites.push(Rewrite { pin: (*pin).clone(), package, to });
        }
        if replaced.is_empty() {
            return false;
        }
        let mut text = self.files.all[file].source.text.to_string();
        for (range, tag) in replaced.into_values().rev() {
            text.replace_range(range, &tag);
        }
        self.texts.insert(file, text);
        true
    }

    /// The reference that a pin should be, if it is another one.
    pub(super) fn due(&self, pin: &Pin, package: PackageId) -> Option<Reference> {
        let written: Reference = pin.reference.parse().ok()?;
        let tag = self.tags.get(package)?.identity.reference().ok()?.tag()?;
        let tag = format!("{tag}{}", pin.suffix);
        (written.tag() != Some(&tag)).then(|| written.with_tag(&tag))
    }

    /// Gives packages whose files changed the tags that they will have.
    fn rename(&mut self, packages: &[PackageId], future: &mut Future) -> Result<(), Problem> {
        if packages.is_empty() {
            return Ok(());
        }
        let mut new = future.tags(self.request.workspace, packages, self.request.options)?;
        for id in packages {
            self.carried[id.index()] = true;
            let stays = self.request.dirty == DirtyTags::Dirty && is_dirty(self.request.tags, *id);
            if let Some(mut tag) = new.packages[id.index()].take().filter(|_| !stays) {
                if let Ok(tag) = &mut tag {
                    tag.uncommitted = true;
                }
                self.tags.packages[id.index()] = Some(tag);
            }
        }
        Ok(())
    }
}

/// Whether the tag of a package changes with its files, whatever the command line calls it.
pub(in crate::pins) fn follows_from_files(package: &Package) -> bool {
    let Package { build: Some(build), overrides, .. } = package else { return false };
    let template = overrides.tag.as_ref().unwrap_or(&build.tag);
    overrides.hash.is_none() && (template.value.is_empty() || template.value.contains("{{"))
}

fn is_dirty(tags: &Tags, id: PackageId) -> bool {
    tags.get(id).is_some_and(PackageTag::is_dirty)
}
