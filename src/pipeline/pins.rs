//! The pins of the repository as it is: what they are, whether registries have what they name, and what they should be.
//!
//! The repository is surveyed as for every other verb. Pins are measured by the tags that packages will have when the
//! changes of the work tree are committed; nothing is written here.

use std::collections::BTreeMap;
use std::path::Path;

use tokio::runtime::Runtime;

use super::survey::{Survey, Surveyed, survey};
use crate::git::{Future, TagOptions};
use crate::graph;
use crate::image::{Platform, Reference};
use crate::pins::{self, Availability, Carried, DirtyTags, ImageFile, Pin, Repinned, State};
use crate::presence::{Fact, ask_existence};
use crate::problem::Problem;
use crate::registry::Client;
use crate::settings::selectors_or;
use crate::workspace::{self, Faulty, PackageId};

/// Where pins are looked for.
#[derive(Debug)]
pub struct PinSurvey<'a> {
    /// The absolute path of the root.
    pub root: &'a Path,
    /// The directory that selectors and globs are also relative to, relative to the root.
    pub current: &'a str,
    /// The packages that are meant; without any, everything is.
    pub selectors: &'a [String],
    /// Globs of image ymls.
    pub image_files: &'a [String],
    /// What is read, and how strictly.
    pub workspace: &'a workspace::Options,
}

/// A repository whose pins are asked about.
#[derive(Debug)]
pub struct SurveyedPins {
    /// The packages with the tags that they have now.
    pub surveyed: Surveyed,
    /// The image ymls.
    pub image_files: Vec<ImageFile>,
    /// Whether selectors say which packages are meant.
    is_limited: bool,
}

/// Reads the packages and the image ymls.
pub fn survey_pins(pins: &PinSurvey<'_>) -> Result<SurveyedPins, Problem> {
    let selectors = selectors_or(pins.selectors, ".");
    let tags = TagOptions::default();
    let surveyed = survey(&Survey::new(pins.root, pins.current, selectors, pins.workspace, &tags), &Platform::host())?;
    let image_files = pins::image_files(pins.root, pins.current, pins.image_files)?;
    Ok(SurveyedPins { surveyed, image_files, is_limited: !pins.selectors.is_empty() })
}

impl SurveyedPins {
    /// The packages that selectors name, sorted; `None` where everything is meant.
    #[must_use]
    pub fn selected(&self) -> Option<&[PackageId]> {
        self.is_limited.then_some(&self.surveyed.selected)
    }

    /// The pins of the packages that are meant, and of all image ymls.
    pub fn list(&self) -> Result<Vec<Pin>, Problem> {
        let Surveyed { workspace, tags, graph, .. } = &self.surveyed;
        let committed = pins::committed(workspace, tags, &TagOptions::default(), &mut Future::new()?)?;
        let mut pins = if let Some(tags) = committed {
            let graph = graph::build(workspace, &tags, &workspace.config.platforms, &Platform::host());
            pins::list(workspace, &tags, &graph, &self.image_files)
        } else {
            pins::list(workspace, tags, graph, &self.image_files)
        };
        pins.retain(|pin| pin.used_by.is_empty() || pin.used_by.iter().any(|id| self.is_meant(*id)));
        Ok(pins)
    }

    /// The pins as they should be, with the new tags of the packages that are meant.
    pub fn repin(&self, include_untracked: bool) -> Result<Repinned, Problem> {
        let Surveyed { workspace, tags, .. } = &self.surveyed;
        pins::repin(&pins::Request {
            workspace,
            tags,
            options: &TagOptions::default(),
            platforms: &workspace.config.platforms,
            builder: &Platform::host(),
            carried: self.selected().map_or(Carried::All, Carried::These),
            images: &self.image_files,
            dirty: DirtyTags::Committed { include_untracked },
        })
    }

    /// What cannot be read of the packages that are meant, and of those on which hangs which ones these are: they have pins
    /// that nobody has looked at.
    #[must_use]
    pub fn unread(&self) -> Vec<Problem> {
        let workspace = &self.surveyed.workspace;
        let is_unsure =
            |id: &PackageId| self.surveyed.unsure.iter().any(|unsure| unsure.name == workspace.package(*id).name);
        self.problems_of(workspace.ids().filter(|id| self.is_meant(*id) || is_unsure(id)))
    }

    /// What cannot be read of all packages, whichever are meant.
    #[must_use]
    pub fn unread_anywhere(&self) -> Vec<Problem> {
        self.problems_of(self.surveyed.workspace.ids())
    }

    /// The packages beside those that are meant that cannot be read and may make an image that one of these pins seems to
    /// have from elsewhere.
    #[must_use]
    pub fn maybe_named(&self, pins: &[Pin]) -> Vec<Faulty> {
        if pins.iter().all(|pin| pin.state != State::External) {
            return Vec::new();
        }
        let Surveyed { workspace, graph, .. } = &self.surveyed;
        graph.open(workspace, workspace.ids().filter(|id| !self.is_meant(*id) && workspace.package(*id).is_nameless()))
    }

    fn is_meant(&self, package: PackageId) -> bool {
        self.selected().is_none_or(|selected| selected.binary_search(&package).is_ok())
    }

    fn problems_of(&self, packages: impl Iterator<Item = PackageId>) -> Vec<Problem> {
        packages.flat_map(|id| self.surveyed.workspace.package(id).unread()).cloned().collect()
    }
}

/// Asks registries for the images that have to be there, each where it lives.
pub fn ask_availability(needed: &BTreeMap<Reference, Reference>, client: &Client, runtime: &Runtime) -> Availability {
    let facts = runtime.block_on(ask_existence(needed.values().cloned(), client));
    let said = needed.iter().filter_map(|(image, there)| match facts.get(there)? {
        Fact::Yes(()) => Some((image.clone(), Ok(true))),
        Fact::No => Some((image.clone(), Ok(false))),
        Fact::Unknown(problem) => Some((image.clone(), Err(problem.clone()))),
        Fact::NotAsked => None,
    });
    said.collect()
}
