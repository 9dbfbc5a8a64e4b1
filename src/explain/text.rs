//! An explanation for people.

use std::fmt::Write;

use super::{Explanation, Other, Since, files_outside};
use crate::git::{Changed, End};
use crate::plan::difference::Comparison;
use crate::plan::key::Components;
use crate::plan::{place_names, reason_head};
use crate::wording::thousands;

/// More changed files than this are only counted.
const FILES: usize = 20;

/// One explanation, some ten lines.
#[must_use]
pub fn text(node: &Explanation<'_>) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}@{}", node.id, node.platform);
    row(&mut out, "image", node.reference);
    row(&mut out, "state", &node.state.to_string());
    if !node.places.is_empty() || !node.others.is_empty() {
        let there = if node.places.is_empty() { "nowhere".to_owned() } else { place_names(node.places) };
        let another = match node.others {
            [] => String::new(),
            others => format!("; another image of its name: {}", place_names(others)),
        };
        row(&mut out, "where", &(there + &another));
    }
    for (position, reason) in node.reasons.iter().enumerate() {
        row(&mut out, if position == 0 { "because" } else { "" }, &reason_head(reason));
        if let Some(comparison) = reason.comparison() {
            compared(&mut out, comparison);
        }
    }
    if let Some(since) = &node.since {
        told_since(&mut out, since);
    }
    if let (Some(key), Some(components)) = (&node.key, node.components) {
        let open = if node.definite { "" } else { "  not definite: an image below it is not known" };
        row(&mut out, "key", &format!("{key}{open}"));
        for (name, value) in components_rows(components) {
            let _ = writeln!(out, "    {name:<18}  {value}");
        }
    }
    let (first, there): (Vec<&Other>, Vec<&Other>) = node.needs.iter().partition(|other| other.built);
    for (label, others) in [("waits for", first), ("built on", there)] {
        for (position, other) in others.into_iter().enumerate() {
            row(&mut out, if position == 0 { label } else { "" }, &format!("{}  {}", other.node, needed(other)));
        }
    }
    if !node.needed_by.is_empty() {
        let indirect = node.needed_by_in_all.saturating_sub(node.needed_by.len());
        let more = if indirect > 0 { format!(", and {indirect} built on these") } else { String::new() };
        row(&mut out, "needed by", &format!("{}{more}", node.needed_by.join(", ")));
    }
    out
}

fn row(out: &mut String, name: &str, value: &str) {
    let _ = writeln!(out, "  {name:<10}  {value}");
}

/// What is known of a node that the explained one is built on.
fn needed(other: &Other) -> String {
    match other {
        Other { built: true, state, .. } => format!("{state}, built first"),
        Other { state, .. } if state.is_absent() => format!("{state}, and not needed"),
        Other { state, places, .. } if !places.is_empty() => format!("{state} ({})", place_names(places)),
        Other { state, .. } => state.to_string(),
    }
}

fn compared(out: &mut String, comparison: &Comparison) {
    if comparison.unsaid.is_some() || comparison.differs.is_empty() {
        let _ = writeln!(out, "    {comparison}");
    }
    for difference in &comparison.differs {
        let _ = writeln!(out, "    {difference}");
    }
}

fn told_since(out: &mut String, since: &Since) {
    match since {
        Since::Published { commit, tag, changed } => {
            let short = commit.get(..12).unwrap_or(commit);
            row(out, "since", &format!("commit {short}, whose image is there as {tag}, changed:"));
            for Changed { path, status } in changed.iter().take(FILES) {
                let _ = writeln!(out, "    {status}  {path}");
            }
            if changed.len() > FILES {
                let _ = writeln!(out, "    and {} more files", thousands(changed.len() - FILES));
            }
            if changed.is_empty() {
                let _ = writeln!(out, "    nothing that is committed");
            }
        }
        Since::None { asked: 0, end } => row(out, "since", &format!("no former tag of it is known{}", ended(*end))),
        Since::None { asked: 1, end } => {
            row(out, "since", &format!("the registry does not have its one former tag{}", ended(*end)));
        }
        Since::None { asked, end } => {
            row(out, "since", &format!("the registry has none of {asked} former tags{}", ended(*end)));
        }
        Since::Unknown { tag, why } => row(out, "since", &format!("nobody knows whether {tag} is there: {why}")),
    }
}

fn ended(end: End) -> &'static str {
    match end {
        End::Beginning => "",
        End::Limit => "; older ones were not looked at",
        End::Shallow => "; the clone is shallow: `git fetch --unshallow` brings the rest of the history",
        End::ObjectsAbsent => {
            "; this partial clone lacks older trees: `git fetch --refetch --filter=blob:none` brings them"
        }
    }
}

/// Each component with its value.
fn components_rows(components: &Components) -> Vec<(&'static str, String)> {
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    let mut rows = vec![("tree", components.tree.clone().unwrap_or_else(|| "none, it is outside git".to_owned()))];
    rows.extend(components.extra_sources.iter().map(|(path, tree)| ("extra source", format!("{path}  {tree}"))));
    rows.push(("Dockerfile", format!("{}  {}", components.dockerfile, short(&components.dockerfile_text))));
    let pairs = |map: &std::collections::BTreeMap<String, String>| {
        map.iter().map(|(name, value)| format!("{name}={}", value.escape_debug())).collect::<Vec<_>>()
    };
    rows.extend(pairs(&components.build_args).into_iter().map(|pair| ("build arg", pair)));
    rows.extend(pairs(&components.labels).into_iter().map(|pair| ("label", pair)));
    rows.push(("network", if components.network { "allowed" } else { "none" }.to_owned()));
    rows.extend(
        components
            .docker_images
            .iter()
            .map(|(path, images)| ("docker images", format!("{path}  {}", images.join(" ")))),
    );
    rows.extend(files_outside(components).into_iter().map(|(path, count)| match (count, path.as_str()) {
        (1, _) if !path.ends_with('/') => ("file outside git", path),
        (count, "/") => ("files outside git", format!("{} in the context", thousands(count))),
        (count, _) => ("files outside git", format!("{} below {}", thousands(count), path.trim_end_matches('/'))),
    }));
    rows.extend(components.needs.iter().map(|(image, key)| {
        let hash = key.rsplit(':').next().unwrap_or(key);
        ("image below it", format!("{image}  key {}", short(hash)))
    }));
    rows.extend(components.external.iter().map(|image| ("image of others", image.clone())));
    if !components.exclude.is_empty() {
        rows.push(("exclude", components.exclude.join(" ")));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::{Subject, explain};
    use crate::graph::testing::Pkg;
    use crate::plan::testing::{World, amd64, world};

    /// What is said of a package on the builder's platform, without its key and what that is made from.
    fn told(world: &World, name: &str) -> String {
        let plan = world.plan();
        let (repo, runtime) = (&world.repo, tokio::runtime::Builder::new_current_thread().build().unwrap());
        let subject = Subject { workspace: &repo.workspace, tags: &repo.tags, graph: &repo.graph, plan: &plan };
        let node = plan.on(name, "amd64");
        let explained = explain(subject, node, &repo.graph.dependents(), None, None, &runtime).unwrap();
        let told = text(&Explanation { key: None, ..explained });
        told.lines().skip(2).collect::<Vec<_>>().join("\n")
    }

    fn chain() -> World {
        let mut world = world([
            Pkg::new("base"),
            Pkg::new("tools").from("t/base:now"),
            Pkg::new("user").dockerfile("FROM t/tools:now\nCOPY --from=t/base:now / /\n"),
        ]);
        world.select(&["user"]);
        world
    }

    #[test]
    fn only_what_is_built_first_is_waited_for() {
        let mut world = chain();
        world.published_here("base");
        assert_eq!(
            told(&world, "user"),
            "  state       missing
  because     no place has the image
  waits for   tools@linux/amd64  missing, built first
  built on    base@linux/amd64  present (index, tag-arch)"
        );
        world.published_here("user");
        assert_eq!(
            told(&world, "user"),
            "  state       present
  where       index, tag-arch
  built on    base@linux/amd64  present (index, tag-arch)
              tools@linux/amd64  missing, and not needed"
        );
        assert_eq!(
            told(&world, "tools"),
            "  state       missing
  because     no place has the image
  built on    base@linux/amd64  present (index, tag-arch)
  needed by   user"
        );
    }

    #[test]
    fn the_place_of_another_image_is_told_with_why_that_is_not_it() {
        let mut world = world([Pkg::new("a")]);
        let (own, other) = (world.key("a", &amd64()), world.other_key("a", &amd64()));
        world.stored("a", &amd64(), Some(other.clone()));
        assert_eq!(
            told(&world, "a"),
            "  state       missing
  where       nowhere; another image of its name: builder
  because     no usable place has it: the image on the builder was made from other inputs
    the image does not say which"
        );
        world.published("a", &amd64(), Some(other));
        assert_eq!(
            told(&world, "a"),
            "  state       outdated
  where       index, tag-arch; another image of its name: builder
  because     the image that is there (index) was made from other inputs
    the registry was not asked which"
        );
        world.stored("a", &amd64(), Some(own));
        assert_eq!(
            told(&world, "a"),
            "  state       present
  where       builder; another image of its name: index, tag-arch"
        );
    }
}
