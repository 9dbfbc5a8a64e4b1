//! What differs between the components of an image that exists and those that its node has here.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::files::{Directory, is_below, together};
use super::key::Components;
use super::node::Place;
use super::record::{Record, Unsaid, as_recorded, recorded_args};

/// The image that exists under the name of a node, compared with what the node is made from here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub struct Comparison {
    /// Where the image is.
    pub place: Place,
    /// The components that differ; empty where the image does not say.
    pub differs: Vec<Difference>,
    /// Why the image does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaid: Option<Unsaid>,
}

/// What became of a file outside git.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The image was made without it.
    Added,
    /// It is gone.
    Removed,
    /// Mode or content.
    Changed,
}

/// One component that differs: what it was in the image, and what it is here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(tag = "component", rename_all = "kebab-case")]
pub enum Difference {
    /// The committed files of the package.
    Tree {
        /// In the image.
        was: Option<String>,
        /// Here.
        is: Option<String>,
    },
    /// The committed files of an extra source.
    ExtraSource {
        /// Its place in the context.
        path: String,
        /// In the image.
        was: Option<String>,
        /// Here.
        is: Option<String>,
    },
    /// Which Dockerfile.
    Dockerfile {
        /// In the image.
        was: String,
        /// Here.
        is: String,
    },
    /// The text of the Dockerfile.
    DockerfileText,
    /// A build arg, as a record has it: most values are only hashes.
    BuildArg {
        /// Its name.
        name: String,
        /// In the image.
        was: Option<String>,
        /// Here.
        is: Option<String>,
    },
    /// A label.
    Label {
        /// Its name.
        name: String,
        /// In the image.
        was: Option<String>,
        /// Here.
        is: Option<String>,
    },
    /// Whether build steps may use the network.
    Network {
        /// In the image.
        was: bool,
        /// Here.
        is: bool,
    },
    /// The images that are placed in a file of the context.
    DockerImages {
        /// The file.
        path: String,
        /// In the image.
        was: Vec<String>,
        /// Here.
        is: Vec<String>,
    },
    /// A file outside git.
    File {
        /// Its place in the context.
        path: String,
        /// What became of it.
        change: Change,
    },
    /// Files outside git, told together.
    Files {
        /// The directory in the context below which they are; empty for the context itself.
        directory: String,
        /// How many differ; where the image tells them together, how many are here now.
        count: usize,
    },
    /// The key of an image of this repository that it is built on.
    Need {
        /// Reference and platform.
        image: String,
        /// In the image.
        was: Option<String>,
        /// Here.
        is: Option<String>,
    },
    /// An image of others that it is built on.
    External {
        /// The reference.
        image: String,
        /// Whether it came or went.
        change: Change,
    },
    /// The patterns that keep files out of the context.
    Exclude {
        /// In the image.
        was: Vec<String>,
        /// Here.
        is: Vec<String>,
    },
}

/// What differs, sorted by the sort of component. There may be nothing, where a hash stands for what is not told.
#[must_use]
pub fn compare(record: &Record, here: &Components) -> Vec<Difference> {
    let there = record.components();
    let mut found = Vec::new();
    if there.tree != here.tree {
        found.push(Difference::Tree { was: there.tree.clone(), is: here.tree.clone() });
    }
    let sources = |components: &Components| components.extra_sources.iter().cloned().collect::<BTreeMap<_, _>>();
    found.extend(changes(&sources(there), &sources(here)).map(|(path, was, is)| Difference::ExtraSource {
        path,
        was,
        is,
    }));
    if there.dockerfile != here.dockerfile {
        found.push(Difference::Dockerfile { was: there.dockerfile.clone(), is: here.dockerfile.clone() });
    }
    if there.dockerfile_text != here.dockerfile_text {
        found.push(Difference::DockerfileText);
    }
    let values = |map: &BTreeMap<String, String>| {
        map.iter().map(|(name, value)| (name.clone(), as_recorded(value).into_owned())).collect::<BTreeMap<_, _>>()
    };
    found.extend(
        changes(&record.build_args(), &recorded_args(&here.build_args)).map(|(name, was, is)| Difference::BuildArg {
            name,
            was,
            is,
        }),
    );
    found.extend(changes(&there.labels, &values(&here.labels)).map(|(name, was, is)| Difference::Label {
        name,
        was,
        is,
    }));
    if there.network != here.network {
        found.push(Difference::Network { was: there.network, is: here.network });
    }
    found.extend(changes(&there.docker_images, &here.docker_images).map(|(path, was, is)| Difference::DockerImages {
        path,
        was: was.unwrap_or_default(),
        is: is.unwrap_or_default(),
    }));
    found.extend(files(record, &here.files));
    found.extend(changes(&there.needs, &here.needs).map(|(image, was, is)| Difference::Need { image, was, is }));
    let external = |components: &Components| components.external.iter().cloned().collect::<BTreeSet<_>>();
    let (was, is) = (external(there), external(here));
    let of = |change| move |image: &String| Difference::External { image: image.clone(), change };
    found.extend(was.difference(&is).map(of(Change::Removed)));
    found.extend(is.difference(&was).map(of(Change::Added)));
    if there.exclude != here.exclude {
        found.push(Difference::Exclude { was: there.exclude.clone(), is: here.exclude.clone() });
    }
    found
}

/// The entries of two maps that are not the same.
fn changes<V: Clone + PartialEq>(
    was: &BTreeMap<String, V>,
    is: &BTreeMap<String, V>,
) -> impl Iterator<Item = (String, Option<V>, Option<V>)> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differing = names.into_iter().filter(|name| was.get(*name) != is.get(*name));
    differing.map(|name| (name.clone(), was.get(name).cloned(), is.get(name).cloned())).collect::<Vec<_>>().into_iter()
}

/// The files that differ, by directories where they are many.
fn files(record: &Record, here: &BTreeMap<String, String>) -> Vec<Difference> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (directory, there) in record.directories() {
        let now = Directory::of(here.iter().filter(|(path, _)| is_below(path, directory)));
        if now != *there {
            counts.insert(format!("{directory}/"), now.count.max(there.count));
        }
    }
    let single = here.iter().filter(|(path, _)| !record.directories().keys().any(|outer| is_below(path, outer)));
    let single = single.map(|(path, content)| (path.clone(), content.clone())).collect();
    let changed = changes(&record.components().files, &single).map(|(path, was, is)| {
        let change = match (was, is) {
            (None, _) => Change::Added,
            (_, None) => Change::Removed,
            _ => Change::Changed,
        };
        (path, change)
    });
    let changed: BTreeMap<String, Change> = changed.collect();
    counts.extend(changed.keys().map(|path| (path.clone(), 1)));
    let told = together(&counts).into_iter().map(|(path, count)| match changed.get(&path) {
        Some(&change) => Difference::File { path, change },
        None => Difference::Files { directory: path.trim_end_matches('/').to_owned(), count },
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::key::tests::components;

    fn recorded(components: &Components) -> Record {
        Record::parse(&Record::label(components, &BTreeSet::new()).unwrap(), &components.label()).unwrap()
    }

    fn words(was: &Components, is: &Components) -> Vec<String> {
        compare(&recorded(was), is).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_component_that_differs_is_named() {
        let was = components();
        assert!(compare(&recorded(&was), &was).is_empty());
        let mut is = was.clone();
        is.tree = Some("9".repeat(40));
        is.extra_sources = vec![("common".to_owned(), "8".repeat(40))];
        is.dockerfile = "Dockerfile.dev".to_owned();
        is.dockerfile_text = "7".repeat(64);
        let init = ("INIT".to_owned(), "t/init:1".to_owned());
        is.build_args = [("A".to_owned(), "2\n3".to_owned()), ("B".to_owned(), String::new()), init].into();
        is.labels = [("l".to_owned(), "x".to_owned())].into();
        is.network = true;
        is.docker_images = [("a.tar".to_owned(), vec!["i@sha256:1".to_owned()])].into();
        is.files = [("f".to_owned(), "x".to_owned())].into();
        is.needs = [("t/base:1 linux/amd64".to_owned(), format!("1:t/base@linux/amd64:{}", "6".repeat(64)))].into();
        is.external = vec!["alpine:3".to_owned()];
        is.exclude = vec!["*.log".to_owned()];
        assert_eq!(
            words(&was, &is),
            [
                "committed files: tree 000000000000 -> 999999999999",
                "extra source common: tree 111111111111 -> 888888888888",
                "Dockerfile: Dockerfile -> Dockerfile.dev",
                "text of the Dockerfile",
                "build arg A: another value",
                "build arg B: added",
                "build arg INIT: none -> `t/init:1`",
                "label l: none -> `x`",
                "network: none -> allowed",
                "docker images a.tar: none -> i@sha256:1",
                "file outside git f: added",
                "image below it t/base:1 linux/amd64: key none -> 666666666666",
                "image of others alpine:3: added",
                "exclude patterns: none -> *.log",
            ]
        );
    }

    #[test]
    fn a_flood_of_files_is_one_line() {
        let was = components();
        let mut is = was.clone();
        is.files = (0..3_412).map(|n| (format!("x/node_modules/m{}/f{n}", n % 50), "x".to_owned())).collect();
        assert_eq!(words(&was, &is), ["3,412 files outside git below x/node_modules"]);
        // The other way round the image tells them together.
        assert_eq!(words(&is, &was), ["3,412 files outside git below x/node_modules"]);
        let mut other = is.clone();
        other.files.insert("x/node_modules/m7/f7".to_owned(), "y".to_owned());
        assert_eq!(words(&is, &other).len(), 1);
        is.files.insert("x/own".to_owned(), "x".to_owned());
        assert_eq!(words(&was, &is).len(), 2, "a file that is alone stays one");
    }
}
