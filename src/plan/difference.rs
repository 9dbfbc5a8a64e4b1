//! What differs between the components of an image that exists and those that its node has here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::key::Components;
use super::node::Place;
use super::record::{
    Directory, Record, Unsaid, as_recorded, deepest, directory_at, is_below, is_hashed, recorded_args,
};

/// More files than this are told by their directories.
const FILES: usize = 8;

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

/// Paths with the number of files that each stands for, a directory with `/` at the end; where they are too many, of the
/// directories above them.
#[must_use]
pub fn together(files: &BTreeMap<String, usize>) -> BTreeMap<String, usize> {
    if files.len() <= FILES {
        return files.clone();
    }
    let grouped = |depth| {
        let mut groups: BTreeMap<&str, Vec<(&String, usize)>> = BTreeMap::new();
        for (path, &count) in files {
            groups.entry(directory_at(path, depth)).or_default().push((path, count));
        }
        let named = groups.into_iter().map(|(directory, paths)| match paths[..] {
            [(path, count)] => (path.clone(), count),
            _ => (format!("{directory}/"), paths.iter().map(|(_, count)| count).sum()),
        });
        named.collect::<BTreeMap<String, usize>>()
    };
    let mut depths = (0..=deepest(files.keys())).rev().map(grouped);
    depths.find(|groups| groups.len() <= FILES).unwrap_or_else(|| grouped(0))
}

/// `3,412`
#[must_use]
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        })
    }
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoComponents => "the image does not say which",
            Self::Malformed => "what the image says of them cannot be read",
            Self::NotAsked => "the registry was not asked which",
            Self::Unknown => "the registry did not say which",
        })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(unsaid) = self.unsaid {
            return write!(f, "{unsaid}");
        }
        match &self.differs[..] {
            [] => f.write_str("what differs is not recorded one by one"),
            differs => {
                let words: Vec<String> = differs.iter().map(ToString::to_string).collect();
                f.write_str(&words.join("; "))
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), shortened);
        let list = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(" ") };
        match self {
            Self::Tree { was, is } => write!(f, "committed files: tree {} -> {}", short(was), short(is)),
            Self::ExtraSource { path, was, is } => {
                write!(f, "extra source {path}: tree {} -> {}", short(was), short(is))
            }
            Self::Dockerfile { was, is } => write!(f, "Dockerfile: {was} -> {is}"),
            Self::DockerfileText => f.write_str("text of the Dockerfile"),
            Self::BuildArg { name, was, is } if was.iter().chain(is).any(|value| is_hashed(value)) => {
                let change = match (was, is) {
                    (None, _) => "added",
                    (_, None) => "removed",
                    _ => "another value",
                };
                write!(f, "build arg {name}: {change}")
            }
            Self::BuildArg { name, was, is } => {
                let [was, is] = apart(was.as_deref(), is.as_deref());
                write!(f, "build arg {name}: {was} -> {is}")
            }
            Self::Label { name, was, is } => {
                let [was, is] = apart(was.as_deref(), is.as_deref());
                write!(f, "label {name}: {was} -> {is}")
            }
            Self::Network { was, is } => {
                let word = |allowed: &bool| if *allowed { "allowed" } else { "none" };
                write!(f, "network: {} -> {}", word(was), word(is))
            }
            Self::DockerImages { path, was, is } => write!(f, "docker images {path}: {} -> {}", list(was), list(is)),
            Self::File { path, change } => write!(f, "file outside git {path}: {change}"),
            Self::Files { directory, count } => {
                let place =
                    if directory.is_empty() { "in the context".to_owned() } else { format!("below {directory}") };
                write!(f, "{} files outside git {place}", thousands(*count))
            }
            Self::Need { image, was, is } => {
                let key = |key: &Option<String>| {
                    let hash = key.as_deref().map(|key| key.rsplit(':').next().unwrap_or(key));
                    hash.map_or_else(|| "none".to_owned(), |hash| hash.get(..12).unwrap_or(hash).to_owned())
                };
                write!(f, "image below it {image}: key {} -> {}", key(was), key(is))
            }
            Self::External { image, change } => write!(f, "image of others {image}: {change}"),
            Self::Exclude { was, is } => write!(f, "exclude patterns: {} -> {}", list(was), list(is)),
        }
    }
}

/// A hash by its first digits, another value in one line.
fn shortened(value: &str) -> String {
    let hexadecimal = value.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && value.len() >= 40 {
        return value[..12].to_owned();
    }
    let line: String = value.chars().take(SHOWN).collect();
    let rest = if line.len() < value.len() { "…" } else { "" };
    format!("`{}{rest}`", line.escape_debug())
}

/// Characters of a long value that are shown.
const SHOWN: usize = 60;
/// Characters that are shown before the first one that differs.
const BEFORE: usize = 12;

/// Two values, such that what differs is seen: a long beginning that both have is left out.
fn apart(was: Option<&str>, is: Option<&str>) -> [String; 2] {
    let (Some(was), Some(is)) = (was, is) else {
        return [was, is].map(|value| value.map_or_else(|| "none".to_owned(), shortened));
    };
    let common = was.chars().zip(is.chars()).take_while(|(was, is)| was == is).count();
    let longest = was.chars().count().max(is.chars().count());
    if longest <= SHOWN || common <= BEFORE {
        return [shortened(was), shortened(is)];
    }
    [was, is].map(|value| {
        let mut rest = value.chars().skip(common - BEFORE);
        let line: String = rest.by_ref().take(SHOWN).collect();
        format!("`…{}{}`", line.escape_debug(), if rest.next().is_some() { "…" } else { "" })
    })
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
    fn of_long_values_the_part_is_shown_that_differs() {
        let told = |was: &str, is: &str| {
            let of = |value: &str| Some(value.to_owned());
            Difference::BuildArg { name: "A".to_owned(), was: of(was), is: of(is) }.to_string()
        };
        let long = "org/image:tag ".repeat(8);
        assert_eq!(
            told(&format!("{long}one"), &format!("{long}two")),
            "build arg A: `…g/image:tag one` -> `…g/image:tag two`"
        );
        assert_eq!(told(&long, &format!("{long}x")), "build arg A: `…g/image:tag ` -> `…g/image:tag x`");
        let tail = "y".repeat(100);
        assert_eq!(
            told(&format!("{long}1{tail}"), &format!("{long}2{tail}")),
            format!("build arg A: `…g/image:tag 1{0}…` -> `…g/image:tag 2{0}…`", "y".repeat(47))
        );
        assert_eq!(told("ä1", "ä2"), "build arg A: `ä1` -> `ä2`");
        assert_eq!(told(&"1".repeat(64), &"2".repeat(64)), "build arg A: 111111111111 -> 222222222222");
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
