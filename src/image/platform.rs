//! A platform: operating system, architecture and, rarely, a variant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `os/architecture[/variant]`, such as `linux/arm64`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl Platform {
    /// The architectures that the Go toolchain and the Docker Engine name for Linux.
    pub const ARCHITECTURES: [&str; 12] = [
        "386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "mips", "ppc64le", "riscv64", "s390x",
        "mipsle",
    ];

    /// The Linux platform of an architecture, which is what an entry of `arches` in a build.yml means.
    #[must_use]
    pub fn linux(architecture: &str) -> Self {
        Self { os: "linux".to_owned(), architecture: architecture.to_owned(), variant: None }
    }

    /// The Linux platform of the machine this program was compiled for.
    #[must_use]
    pub fn host() -> Self {
        Self::linux(match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            "powerpc64" => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        })
    }

    /// Reads a platform that somebody asks for: one of Linux must have an architecture that exists, since a misspelt one
    /// would ask for nothing.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text.
    pub fn known(text: &str) -> Result<Self, String> {
        let platform = text.parse::<Self>().map_err(|error| error.to_string())?;
        if platform.os() == "linux" && !Self::ARCHITECTURES.contains(&platform.architecture()) {
            let known = Self::ARCHITECTURES.join(", ");
            return Err(format!("`{}` is no architecture; those of Linux are {known}", platform.architecture()));
        }
        Ok(platform)
    }

    /// `linux`, in practice.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.os
    }

    /// Such as `amd64`; also the suffix of a `tag-arch` image.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// Such as `v7`.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// Without the variant that its architecture means anyway, as in `linux/arm64/v8`: tools differ in whether they
    /// write it, so platforms that were read somewhere are compared in this form.
    #[must_use]
    pub fn normal(&self) -> Self {
        let variant = match (self.architecture(), self.variant()) {
            ("arm64", Some("v8")) | ("amd64", Some("v1")) | ("arm", Some("v7")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        Self { variant, ..self.clone() }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

/// A text that is not `os/architecture[/variant]`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform of the form os/architecture[/variant], such as linux/arm64")]
pub struct InvalidPlatform(pub String);

impl FromStr for Platform {
    type Err = InvalidPlatform;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let parts: Vec<&str> = text.split('/').collect();
        if !parts.iter().copied().all(word) {
            return Err(InvalidPlatform(text.to_owned()));
        }
        let (os, architecture, variant) = match parts[..] {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some(variant)),
            _ => return Err(InvalidPlatform(text.to_owned())),
        };
        Ok(Self { os: os.to_owned(), architecture: architecture.to_owned(), variant: variant.map(str::to_owned) })
    }
}

impl TryFrom<String> for Platform {
    type Error = InvalidPlatform;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_prints_the_same() {
        for text in ["linux/amd64", "linux/arm/v7"] {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn a_bare_architecture_or_an_empty_part_is_no_platform() {
        for text in ["amd64", "", "linux/", "/amd64", "a/b/c/d", "linux/am d64"] {
            assert_eq!(text.parse::<Platform>(), Err(InvalidPlatform(text.to_owned())));
        }
    }
}
