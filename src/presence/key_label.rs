//! The labels that carry the key of an image, and what the key was made from.

use std::fmt;

use crate::image::Platform;

/// The image label that carries the key of an image.
pub const KEY_LABEL: &str = "org.kitmake.key";

/// The image label that carries what the key of an image was made from.
pub const COMPONENTS_LABEL: &str = "org.kitmake.components";

/// The key label of an image: `<version>:<org/image>@<platform>:<hash>`.
///
/// Labels are inherited through `FROM`, hence the name in it: a label that names another image or platform says nothing
/// about the image it is found on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyLabel {
    /// `org/image` of the package.
    pub name: String,
    /// The platform of the node.
    pub platform: Platform,
    /// 64 hex digits of blake3.
    pub hash: String,
}

impl KeyLabel {
    /// The version of the list of components; another version is never compared.
    pub const VERSION: u32 = 1;

    /// The label in `text`, if it is of this version and well formed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_once(':')?;
        (version.parse() == Ok(Self::VERSION)).then_some(())?;
        let (name, rest) = rest.split_once('@')?;
        let (platform, hash) = rest.rsplit_once(':')?;
        let hexadecimal =
            hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (hexadecimal && !name.is_empty()).then_some(())?;
        Some(Self { name: name.to_owned(), platform: platform.parse().ok()?, hash: hash.to_owned() })
    }
}

impl fmt::Display for KeyLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}@{}:{}", Self::VERSION, self.name, self.platform, self.hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_read_only_if_it_is_of_the_version_that_is_written() {
        let rest = format!("fixtures/init@linux/amd64:{}", "a".repeat(64));
        let label = KeyLabel::parse(&format!("{}:{rest}", KeyLabel::VERSION)).unwrap();
        assert_eq!(KeyLabel::parse(&label.to_string()), Some(label));
        for version in [(KeyLabel::VERSION + 1).to_string(), String::new(), "x".to_owned()] {
            assert_eq!(KeyLabel::parse(&format!("{version}:{rest}")), None, "{version}");
        }
    }
}
