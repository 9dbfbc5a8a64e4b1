//! Steps for the tests of the run and of the reports.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::builder::BuildRequest;
use crate::image::{Platform, Reference};
use crate::plan::{Action, PushSource, Step, StepIndex};

/// Known times of the first steps, in seconds.
pub(crate) fn seconds(seconds: &[u64]) -> Vec<Option<Duration>> {
    seconds.iter().map(|&seconds| Some(Duration::from_secs(seconds))).collect()
}

/// A build of a package for linux/amd64.
pub(crate) fn build(package: &str, needs: &[u32]) -> Step {
    let request = BuildRequest {
        directory: PathBuf::new(),
        extra_sources: Vec::new(),
        dockerfile: "Dockerfile".to_owned(),
        dockerfile_text: None,
        texts: BTreeMap::new(),
        archives: Vec::new(),
        left_out: Vec::new(),
        exclude: Vec::new(),
        platform: Platform::linux("amd64"),
        build_args: BTreeMap::new(),
        labels: BTreeMap::new(),
        network: false,
        no_cache: false,
        planned_at: None,
        registries: Vec::new(),
        tags: Vec::new(),
    };
    step(&format!("{package} linux/amd64"), needs, Action::Build(Box::new(request)))
}

/// A push of a package for linux/amd64.
pub(crate) fn push(package: &str, needs: &[u32]) -> Step {
    let action = Action::Push { source: PushSource::Builder(image()), to: image() };
    step(&format!("{package} linux/amd64"), needs, action)
}

/// A fetch of a package for linux/amd64.
pub(crate) fn fetch(package: &str, needs: &[u32]) -> Step {
    let action = Action::Fetch { from: image(), platform: Platform::linux("amd64"), names: Vec::new() };
    step(&format!("{package} linux/amd64"), needs, action)
}

/// The store of a package for linux/amd64 in a cache.
pub(crate) fn store(package: &str, needs: &[u32]) -> Step {
    let action = Action::Store { source: image(), image: image(), platform: Platform::linux("amd64") };
    step(&format!("{package} linux/amd64"), needs, action)
}

/// The index of a package.
pub(crate) fn index(package: &str, needs: &[u32]) -> Step {
    step(
        package,
        needs,
        Action::Index { to: image(), required: Vec::new(), looked_for: Vec::new(), annotations: BTreeMap::new() },
    )
}

fn image() -> Reference {
    "org/image:tag".parse().unwrap()
}

fn step(title: &str, needs: &[u32], action: Action) -> Step {
    let mut step = Step {
        id: String::new(),
        title: title.to_owned(),
        node: None,
        reference: image().to_string(),
        needs: needs.iter().copied().map(StepIndex).collect(),
        action,
    };
    step.id = format!("{}:{}", step.kind(), title.replace(' ', "@"));
    step
}
