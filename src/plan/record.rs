//! What an image was made from, as the image itself carries it: the components of its key as a label.
//!
//! A label travels with the image to every place, and needs nothing of a registry. It also travels in the request of each
//! build and in the configuration of the image, so it is bounded: where the files outside git are too many, one hash per
//! directory stands for them, of as few directories as it takes, and a long value is only hashed. So is every build arg
//! that need not be public: whoever may pull an image reads its labels. Reading trusts neither size nor content: what does
//! not agree with the key of the image says nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::files::{Directory, deepest, grouped};
use super::key::{Components, UNKNOWN_ORIGIN};
use crate::image::Reference;
use crate::presence::KeyLabel;

/// The most that is written, in bytes.
const LIMIT: usize = 32 << 10;
/// The longest value that is written as it is.
const LONGEST_VALUE: usize = 512;
/// What stands before the hash of another one.
const HASHED: &str = "blake3:";
/// Build args that say no more of a package than its image does.
const PRESETS: [&str; 5] = ["GOPKGVERSION", "PKG_HASH", "PKG_IMAGE", "REVISION", "SOURCE"];

/// The components of an image, as far as they fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The hash of the key that they were made into.
    key: String,
    /// All of them, but for values that are only hashed and for the files of `directories`.
    #[serde(flatten)]
    components: Components,
    /// Directories of the context whose files outside git are told together.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    directories: BTreeMap<String, Directory>,
    /// The needs, by their names in the components, that have a key and are built themselves on an image of unknown origin,
    /// directly or not. No part of the key.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    indefinite: BTreeSet<String>,
}

/// Why an image does not say what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unsaid {
    /// It carries no list of components.
    NoComponents,
    /// What it carries cannot be read, or does not belong to its key.
    Malformed,
    /// Nobody asked the registry.
    NotAsked,
    /// The registry did not answer.
    Unknown,
}

impl Record {
    /// The text of the label; `None` where it does not fit in any form. `indefinite` has the needs whose keys do not say all
    /// there is to say.
    #[must_use]
    pub fn label(components: &Components, indefinite: &BTreeSet<String>) -> Option<String> {
        let key = components.label().hash;
        let text = |directories: BTreeMap<String, Directory>, components: Components| {
            let record = Self { key: key.clone(), components, directories, indefinite: indefinite.clone() };
            serde_json::to_string(&record).ok().filter(|text| text.len() <= LIMIT)
        };
        let short = abridged(components);
        text(BTreeMap::new(), short.clone()).or_else(|| {
            (0..=deepest(components.files.keys())).rev().find_map(|depth| {
                let (files, directories) = grouped(&components.files, depth);
                text(directories, Components { files, ..short.clone() })
            })
        })
    }

    /// The record in a label, if it is that of an image with this key.
    ///
    /// # Errors
    /// When the text is too long, no record, or that of another image.
    pub fn parse(text: &str, key: &KeyLabel) -> Result<Self, Unsaid> {
        if text.len() > LIMIT {
            return Err(Unsaid::Malformed);
        }
        let record: Self = serde_json::from_str(text).map_err(|_| Unsaid::Malformed)?;
        let components = &record.components;
        let of_the_image = (components.version, &components.name, &components.platform, &record.key)
            == (KeyLabel::VERSION, &key.name, &key.platform, &key.hash);
        let whole = record.directories.is_empty() && !is_abridged(components);
        if of_the_image && (!whole || components.label().hash == record.key) {
            Ok(record)
        } else {
            Err(Unsaid::Malformed)
        }
    }

    /// Whether the image differs from what is here only by images below it of which it is not known, here or in the image,
    /// what they were made from: then it may well be made from what is here. `indefinite` has those needs of what is here
    /// whose keys do not say all there is to say.
    #[must_use]
    pub fn may_be_of(&self, here: &Components, indefinite: &BTreeSet<String>) -> bool {
        let mut same = here.clone();
        for (image, need) in &mut same.needs {
            let Some(recorded) = self.components.needs.get(image) else { return false };
            let unknown = [&*need, recorded].into_iter().any(|key| key == UNKNOWN_ORIGIN);
            if unknown || indefinite.contains(image) || self.indefinite.contains(image) {
                need.clone_from(recorded);
            }
        }
        same.label().hash == self.key
    }

    /// The components, of which `directories` has some files together.
    #[must_use]
    pub fn components(&self) -> &Components {
        &self.components
    }

    /// The build args as they are recorded, also those that stand in the clear in an older record: so equal values are equal,
    /// and no other value is told.
    #[must_use]
    pub fn build_args(&self) -> BTreeMap<String, String> {
        let recorded = |name: &str, value: &String| {
            if is_hashed(value) { value.clone() } else { recorded_arg(name, value) }
        };
        self.components.build_args.iter().map(|(name, value)| (name.clone(), recorded(name, value))).collect()
    }

    /// The files of directories that are told together.
    #[must_use]
    pub fn directories(&self) -> &BTreeMap<String, Directory> {
        &self.directories
    }
}

/// A value of a label as a record has it: a long one is only hashed.
#[must_use]
pub fn as_recorded(value: &str) -> Cow<'_, str> {
    if value.len() <= LONGEST_VALUE {
        return Cow::Borrowed(value);
    }
    Cow::Owned(hashed(value))
}

/// Build args as a record has them: presets and names of images as they are, of all others a hash.
#[must_use]
pub fn recorded_args(args: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    args.iter().map(|(name, value)| (name.clone(), recorded_arg(name, value))).collect()
}

fn recorded_arg(name: &str, value: &str) -> String {
    if PRESETS.contains(&name) || names_image(value) { as_recorded(value).into_owned() } else { hashed(value) }
}

/// Whether a recorded value is a hash.
#[must_use]
pub fn is_hashed(recorded: &str) -> bool {
    let digits = recorded.strip_prefix(HASHED).unwrap_or_default();
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn hashed(value: &str) -> String {
    format!("{HASHED}{}", blake3::hash(value.as_bytes()).to_hex())
}

/// Whether a value is `org/image:tag`. Without an organisation it may as well be a name with a password.
fn names_image(value: &str) -> bool {
    value.contains('/') && value.parse::<Reference>().is_ok_and(|image| image.tag().is_some())
}

fn abridged(components: &Components) -> Components {
    let labels = components.labels.iter().map(|(name, value)| (name.clone(), as_recorded(value).into_owned()));
    Components { build_args: recorded_args(&components.build_args), labels: labels.collect(), ..components.clone() }
}

fn is_abridged(components: &Components) -> bool {
    components.build_args.values().chain(components.labels.values()).any(|value| is_hashed(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::difference::compare;
    use crate::plan::key::tests::components;

    fn with_files(count: usize) -> Components {
        let file = |n: usize| (format!("a/node_modules/m{}/f{n}", n % 50), format!("100644 {}", "0".repeat(64)));
        let mut components = components();
        components.files = (0..count).map(file).chain([("top".to_owned(), "x".to_owned())]).collect();
        components
    }

    fn public_args() -> BTreeMap<String, String> {
        let args = [("PKG_HASH", "0123"), ("SOURCE", "https://example.org/r"), ("INIT", "org/init:0123")];
        args.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    #[test]
    fn a_record_reads_back_whole() {
        let mut components = with_files(20);
        components.build_args = public_args();
        let text = Record::label(&components, &BTreeSet::new()).unwrap();
        let record = Record::parse(&text, &components.label()).unwrap();
        assert_eq!(record.components(), &components);
        assert!(record.directories().is_empty());
    }

    #[test]
    fn a_flood_of_files_is_told_by_directories_and_stays_below_the_limit() {
        for count in [1_000, 5_000, 20_000] {
            let components = with_files(count);
            let text = Record::label(&components, &BTreeSet::new()).unwrap();
            assert!(text.len() <= LIMIT, "{}", text.len());
            let record = Record::parse(&text, &components.label()).unwrap();
            let told: usize = record.directories().values().map(|directory| directory.count).sum();
            assert_eq!(told + record.components().files.len(), count + 1);
            assert!(record.components().files.contains_key("top"), "a file that is alone stays one");
        }
    }

    #[test]
    fn every_file_is_in_a_directory_of_its_own_and_all_of_them_are_one_hash() {
        let mut components = components();
        components.files = (0..5_000).map(|n| (format!("d{n}/f"), "0".repeat(64))).collect();
        let text = Record::label(&components, &BTreeSet::new()).unwrap();
        let record = Record::parse(&text, &components.label()).unwrap();
        assert_eq!(record.directories()[""].count, 5_000);
    }

    #[test]
    fn a_long_value_is_hashed() {
        let mut components = components();
        components.labels.insert("long".to_owned(), "x".repeat(100_000));
        let text = Record::label(&components, &BTreeSet::new()).unwrap();
        let record = Record::parse(&text, &components.label()).unwrap();
        assert_eq!(record.components().labels["long"], as_recorded(&"x".repeat(100_000)));
    }

    #[test]
    fn build_args_are_hashed_but_for_presets_and_names_of_images() {
        let mut components = components();
        components.build_args = public_args();
        let secrets = ["hunter2", "user:hunter2", "https://user:hunter2@example.org/r", "hunter2/path"];
        for (n, secret) in secrets.into_iter().enumerate() {
            components.build_args.insert(format!("ARG{n}"), secret.to_owned());
        }
        let text = Record::label(&components, &BTreeSet::new()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        let record = Record::parse(&text, &components.label()).unwrap();
        let recorded = &record.components().build_args;
        assert_eq!(recorded["ARG0"], hashed("hunter2"));
        for (name, value) in public_args() {
            assert_eq!(recorded[&name], value);
        }
    }

    #[test]
    fn of_a_record_that_has_values_in_the_clear_equal_ones_are_equal_and_none_is_told() {
        let mut then = components();
        then.build_args = public_args();
        then.build_args.extend([("TOKEN", "hunter2"), ("SAME", "hunter3")].map(|(n, v)| (n.to_owned(), v.to_owned())));
        let mut record = Record {
            key: then.label().hash,
            components: then.clone(),
            directories: BTreeMap::new(),
            indefinite: BTreeSet::new(),
        };
        let mut here = then.clone();
        here.build_args.insert("TOKEN".to_owned(), "hunter4".to_owned());
        here.build_args.insert("INIT".to_owned(), "org/init:4567".to_owned());
        for clear in [true, false] {
            if !clear {
                record = Record::parse(&Record::label(&then, &BTreeSet::new()).unwrap(), &then.label()).unwrap();
            }
            let text = serde_json::to_string(&record).unwrap();
            assert_eq!(text.contains("hunter2"), clear);
            let record = Record::parse(&text, &then.label()).unwrap();
            assert!(compare(&record, &then).is_empty());
            let differs = compare(&record, &here);
            let told = serde_json::to_string(&differs).unwrap() + &format!("{differs:?}");
            assert!(!told.contains("hunter"), "{told}");
            let words: Vec<String> = differs.iter().map(ToString::to_string).collect();
            assert_eq!(words, ["build arg INIT: `org/init:0123` -> `org/init:4567`", "build arg TOKEN: another value"]);
        }
    }

    #[test]
    fn what_is_no_record_of_the_image_says_nothing() {
        let components = Components { build_args: public_args(), ..components() };
        let (key, text) = (components.label(), Record::label(&components, &BTreeSet::new()).unwrap());
        let other = KeyLabel { name: "other/image".to_owned(), ..key.clone() };
        let newer = KeyLabel { hash: "0".repeat(64), ..key.clone() };
        for (text, key) in [
            (text.clone(), &other),
            (text.clone(), &newer),
            (text.replace("\"network\":false", "\"network\":true"), &key),
            (text.replace("\"version\":1", "\"version\":2"), &key),
            (format!("{text}{}", " ".repeat(LIMIT)), &key),
            ("[".repeat(LIMIT), &key),
            (String::new(), &key),
            ("{}".to_owned(), &key),
        ] {
            assert_eq!(Record::parse(&text, key), Err(Unsaid::Malformed), "{text:.80}");
        }
    }
}
