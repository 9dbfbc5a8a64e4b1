//! What is not published of what was asked for, while the rest is: each is said, and none of it is a problem that keeps the
//! plan from being run.

use std::collections::BTreeSet;

use super::decide::Decided;
use super::demand::{Demand, arches};
use super::node::State;
use super::problem::PlanError;
use super::publication::{Publication, built_elsewhere, indexed_platforms};
use super::{Inputs, Request};
use crate::image::Platform;
use crate::presence::Fact;
use crate::problem::Problem;
use crate::workspace::PackageId;

/// The platforms that are asked for and listed by the build yml, and that an index made of what is there will lack.
pub(super) fn lacking(inputs: Inputs<'_>, request: &Request, demand: &Demand, due: &Publication) -> Option<Problem> {
    if !request.only_index() || is_of_nothing(inputs, due) {
        return None;
    }
    let asked = demand.selected.iter().filter(|(package, _)| *package == due.package).map(|(_, platform)| platform);
    let lacks = |platform: &&Platform| {
        let listed = inputs.facts.in_index(&due.to, platform).is_no();
        listed && inputs.facts.at_arch_tag(&due.to, platform).is_no()
    };
    let listed: BTreeSet<Platform> = arches(inputs.workspace, due.package).collect();
    let lacking: Vec<String> =
        asked.filter(|platform| listed.contains(platform)).filter(lacks).map(ToString::to_string).collect();
    let (package, image) = (inputs.workspace.package(due.package).name.to_string(), due.to.to_string());
    (!lacking.is_empty()).then(|| PlanError::LacksPlatforms { package, image, platforms: lacking.join(", ") }.into())
}

/// Whether an index would list nothing at all.
fn is_of_nothing(inputs: Inputs<'_>, due: &Publication) -> bool {
    let platforms = indexed_platforms(inputs.workspace, due.package);
    let mut tagged = platforms.iter().map(|platform| inputs.facts.at_arch_tag(&due.to, platform));
    tagged.all(|fact| fact.is_no()) && inputs.facts.listing(&due.to).is_no()
}

/// Packages that are to be released, are not built here, and have no index yet.
pub(super) fn not_released(inputs: Inputs<'_>, request: &Request, demand: &Demand, decided: &Decided) -> Vec<Problem> {
    let elsewhere = built_elsewhere(inputs, request, demand, decided).into_iter();
    let without_index = elsewhere.filter(|(_, to)| matches!(inputs.facts.release(to), Fact::No | Fact::Yes(_)));
    let without_index = without_index.filter(|(_, to)| inputs.facts.listing(to).is_no());
    let name = |package: PackageId| inputs.workspace.package(package).name.to_string();
    without_index
        .map(|(package, to)| PlanError::NothingToRelease { package: name(package), image: to.to_string() }.into())
        .collect()
}

/// Takes away what cannot or must not be done of a publication, and says so; the others are done.
pub(super) fn leave_out(
    inputs: Inputs<'_>,
    request: &Request,
    decided: &Decided,
    due: &mut Publication,
) -> Option<Problem> {
    let package = inputs.workspace.package(due.package).name.to_string();
    if request.only_index() && is_of_nothing(inputs, due) {
        due.drop_all();
        return Some(PlanError::NothingToList { package, image: due.to.to_string() }.into());
    }
    // Whoever signs or releases an image says that it is the right one.
    let outdated = due
        .members
        .iter()
        .filter(|&&member| decided.nodes[member].state == State::Outdated && !decided.is_built(member));
    let platforms: Vec<String> = outdated.map(|&member| decided.nodes[member].platform.to_string()).collect();
    let left_out = if platforms.is_empty() { Vec::new() } else { due.drop_vouching() };
    let (left_out, platforms) = (left_out.join(" and not "), platforms.join(", "));
    (!left_out.is_empty()).then(|| PlanError::NotVouchedFor { package, left_out, platforms }.into())
}
