//! The tags of many packages as a map from names to references, for templates of image files.
//!
//! A name is made of the image alone, without its org: `node-exporter` becomes `NODE_EXPORTER_TAG`. Two packages share a
//! name only if they share the reference too, which is what several build ymls of one image do. Every value is an image
//! reference, so that none needs quoting in a shell or in an env file of docker.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::fmt::Write as _;

use super::{Error, ImageName};
use crate::problem::Problem;
use crate::workspace::PackageName;

/// References by name, in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagMap(BTreeMap<String, String>);

/// A package with the image that it makes.
#[derive(Debug, Clone, Copy)]
pub struct Tagged<'a> {
    /// The package.
    pub package: &'a PackageName,
    /// The image with its tag.
    pub image: &'a ImageName,
    /// Whether the registry is written out, as by [`ImageName::canonical`].
    pub canonical: bool,
}

impl TagMap {
    /// The map of these packages, whatever their order.
    ///
    /// # Errors
    /// Every image that is no reference, and every name that two packages with different references would have.
    pub fn new<'a>(packages: impl IntoIterator<Item = Tagged<'a>>) -> Result<Self, Vec<Problem>> {
        let mut packages: Vec<Tagged<'a>> = packages.into_iter().collect();
        packages.sort_by_key(|tagged| tagged.package);
        let mut problems: Vec<Problem> = Vec::new();
        let mut found: BTreeMap<String, (&PackageName, String)> = BTreeMap::new();
        for Tagged { package, image, canonical } in packages {
            if let Err(invalid) = image.reference() {
                problems.push(Error::NoReference { package: package.to_string(), reason: invalid.to_string() }.into());
                continue;
            }
            let reference = if canonical { image.canonical() } else { image.to_string() };
            match found.entry(variable(image)) {
                btree_map::Entry::Vacant(free) => {
                    free.insert((package, reference));
                }
                btree_map::Entry::Occupied(taken) if taken.get().1 == reference => {}
                btree_map::Entry::Occupied(taken) => problems.push(
                    Error::SameName {
                        name: taken.key().clone(),
                        first: taken.get().0.to_string(),
                        first_image: taken.get().1.clone(),
                        second: package.to_string(),
                        second_image: reference,
                    }
                    .into(),
                ),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self(found.into_iter().map(|(name, (_, reference))| (name, reference)).collect()))
    }

    /// References by name.
    #[must_use]
    pub fn entries(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// `NAME=reference` lines, for `set -a; . FILE` in a shell and for docker's `--env-file`.
    #[must_use]
    pub fn env(&self) -> String {
        self.lines("=", str::to_owned)
    }

    /// `NAME: reference` lines, a mapping in YAML.
    #[must_use]
    pub fn yaml(&self) -> String {
        // A registry that is an IPv6 address begins with a bracket, which means a list where it is not quoted.
        self.lines(": ", |reference| match reference.strip_prefix('[') {
            Some(_) => format!("'{reference}'"),
            None => reference.to_owned(),
        })
    }

    fn lines(&self, between: &str, value: impl Fn(&str) -> String) -> String {
        self.0.iter().fold(String::new(), |mut text, (name, reference)| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name}{between}{}", value(reference));
            text
        })
    }
}

/// What the reference of an image is called: the last part of its name in capitals, with `_` for everything but letters
/// and digits, and `_TAG`. A name that begins with a digit gets a `_` before it, since no shell would take it.
fn variable(image: &ImageName) -> String {
    let name = image.name();
    let last = name.rsplit('/').next().unwrap_or(name);
    let digit = last.starts_with(|c: char| c.is_ascii_digit());
    let letters = last.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    digit.then_some('_').into_iter().chain(letters).chain("_TAG".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(packages: &[(&str, &str, &str)], canonical: bool) -> Result<TagMap, Vec<Problem>> {
        let packages: Vec<(PackageName, ImageName)> =
            packages.iter().map(|(path, yml, image)| (PackageName::new(path, yml), image.parse().unwrap())).collect();
        TagMap::new(packages.iter().map(|(package, image)| Tagged { package, image, canonical }))
    }

    #[test]
    fn the_name_is_the_last_part_of_the_image_in_capitals() {
        for (image, expected) in [
            ("linuxkit/init:1", "INIT_TAG"),
            ("lfedge/eve-xen-tools:1", "EVE_XEN_TOOLS_TAG"),
            ("127.0.0.1:5000/a/b/node.ex__porter:1", "NODE_EX__PORTER_TAG"),
            ("reg.io:5000/kernel", "KERNEL_TAG"),
            ("a/9p:1", "_9P_TAG"),
        ] {
            assert_eq!(variable(&image.parse().unwrap()), expected);
        }
    }

    #[test]
    fn the_order_is_that_of_the_names_whatever_was_given_first() {
        let (a, b) = (("pkg/z", "build.yml", "o/a-b:1"), ("pkg/a", "build.yml", "o/c:2"));
        let forth = map(&[a, b], false).unwrap();
        assert_eq!(forth, map(&[b, a], false).unwrap());
        assert_eq!(forth.env(), "A_B_TAG=o/a-b:1\nC_TAG=o/c:2\n");
        assert_eq!(forth.yaml(), "A_B_TAG: o/a-b:1\nC_TAG: o/c:2\n");
        assert_eq!(map(&[a, b], true).unwrap().env(), "A_B_TAG=docker.io/o/a-b:1\nC_TAG=docker.io/o/c:2\n");
    }

    #[test]
    fn two_ymls_of_one_image_are_one_entry_unless_their_tags_differ() {
        let one = ("pkg/a", "build.yml", "o/a:1");
        assert_eq!(map(&[one, ("pkg/a", "dev.yml", "o/a:1")], false).unwrap().env(), "A_TAG=o/a:1\n");
        let problems = map(&[one, ("pkg/a", "dev.yml", "o/a:1-dev")], false).unwrap_err();
        let [problem] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!(problem.code(), "git::same_name");
        for part in ["`A_TAG`", "`pkg/a`", "`o/a:1`", "`pkg/a:dev.yml`", "`o/a:1-dev`"] {
            assert!(problem.to_string().contains(part), "{problem}");
        }
    }

    #[test]
    fn every_clash_is_told_and_so_is_every_image_that_is_no_reference() {
        let problems = map(
            &[
                ("a", "build.yml", "o/x-y:1"),
                ("b", "build.yml", "o/x.y:1"),
                ("c", "build.yml", "p/x-y:1"),
                ("d", "build.yml", "/d:1"),
            ],
            false,
        );
        let codes: Vec<String> = problems.unwrap_err().iter().map(Problem::code).collect();
        assert_eq!(codes, ["git::same_name", "git::same_name", "git::no_reference"]);
    }

    #[test]
    fn a_host_in_brackets_is_text_in_yaml_too() {
        let map = map(&[("a", "build.yml", "[::1]:5000/a:1")], false).unwrap();
        let back: BTreeMap<String, String> = serde_yaml::from_str(&map.yaml()).unwrap();
        assert_eq!(&back, map.entries());
    }
}
