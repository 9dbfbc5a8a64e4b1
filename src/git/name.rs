//! The name of an image as it is printed, legal or not.
//!
//! `linuxkit pkg show-tag` checks nothing: an empty org, a capital letter or a blank in a tag are printed as they are. So
//! is a [`ImageName`], which knows beside its text whether that is an image reference that a registry would take.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use crate::image::{InvalidReference, Reference};

/// `org/image:tag` as printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName {
    text: String,
    reference: Result<Reference, InvalidReference>,
}

impl ImageName {
    /// The name of an image; an empty tag means `latest`.
    #[must_use]
    pub fn new(org: &str, image: &str, tag: &str) -> Self {
        Self::from_text(format!("{org}/{image}:{}", if tag.is_empty() { "latest" } else { tag }))
    }

    fn from_text(text: String) -> Self {
        Self { reference: text.parse(), text }
    }

    /// As printed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The image reference, or why it is none.
    ///
    /// # Errors
    /// When the text breaks the grammar of references.
    pub fn reference(&self) -> Result<&Reference, &InvalidReference> {
        self.reference.as_ref()
    }

    /// Org and image without the tag, as printed.
    #[must_use]
    pub fn name(&self) -> &str {
        let end = self.text.rfind(':').filter(|colon| !self.text[*colon..].contains('/'));
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// With the registry written out as linuxkit does it: one component gets `docker.io/library/`, two get `docker.io/`
    /// unless the first has a dot or a colon or is `localhost`; three or more stay as they are.
    #[must_use]
    pub fn canonical(&self) -> String {
        let components: Vec<&str> = self.text.split('/').collect();
        match components[..] {
            [_] => format!("docker.io/library/{}", self.text),
            [first, _] if !first.contains(['.', ':']) && first != "localhost" => format!("docker.io/{}", self.text),
            _ => self.text.clone(),
        }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl FromStr for ImageName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from_text(text.to_owned()))
    }
}

impl From<Reference> for ImageName {
    fn from(reference: Reference) -> Self {
        Self { text: reference.to_string(), reference: Ok(reference) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_reference_is_printed_all_the_same() {
        let name = ImageName::new("", "a", "x");
        assert_eq!(name.to_string(), "/a:x");
        assert!(name.reference().is_err());
        assert_eq!(ImageName::new("linuxkit", "a", "").to_string(), "linuxkit/a:latest");
    }

    #[test]
    fn the_registry_is_written_out_as_linuxkit_does() {
        for (name, canonical) in [
            ("a:1", "docker.io/library/a:1"),
            ("linuxkit/a:1", "docker.io/linuxkit/a:1"),
            ("localhost/a:1", "localhost/a:1"),
            ("reg.io/a:1", "reg.io/a:1"),
            ("reg:5000/a:1", "reg:5000/a:1"),
            ("x/y/a:1", "x/y/a:1"),
        ] {
            assert_eq!(name.parse::<ImageName>().unwrap().canonical(), canonical);
        }
    }
}
