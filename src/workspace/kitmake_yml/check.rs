//! From what is written to what is meant: each value is checked and kept, or refused with its place.
//!
//! Entries that name nothing are collected and reported at once; of other errors the first one is.

use std::collections::BTreeMap;

use miette::LabeledSpan;
use serde_yaml::{Location, Spanned};

use super::file::{File, Long, Pin, Text, TrustWritten, Written, range};
use super::{ContentTrust, Entry, KitmakeYml, Overrides, StalePin};
use crate::excludes::Excludes;
use crate::image::{Platform, Reference};
use crate::problem::{Problem, SourceFile, span};
use crate::workspace::build_yml::{self, Declaration, Located};
use crate::workspace::error::Error;
use crate::workspace::{child, lexical};

/// Checks everything; `exists` says of a path relative to the root whether anything is there.
pub(super) fn check(source: &SourceFile, written: File, exists: &dyn Fn(&str) -> bool) -> Result<KitmakeYml, Problem> {
    let mut checker = Checker { source, exists, missing: Vec::new() };
    let org = written.org.map(|org| checker.org(org)).transpose()?;
    let registry = written.registry.map(|registry| checker.place(registry, true)).transpose()?;
    let insecure = written.insecure_registries.into_iter().flatten().map(|host| checker.place(host, false));
    let insecure_registries = insecure.collect::<Result<_, _>>()?;
    let mut certificate_authorities = Vec::new();
    for file in written.certificate_authorities.into_iter().flatten() {
        certificate_authorities.extend(checker.anywhere(&file));
    }
    let mut mirrors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (host, places) in written.mirrors.into_iter().flatten() {
        let host = checker.place(host, false)?;
        let host = if host == "index.docker.io" { "docker.io".to_owned() } else { host };
        for place in places.into_iter().flatten() {
            let place = checker.place(place, true)?;
            mirrors.entry(host.clone()).or_default().push(place.trim_end_matches('/').to_owned());
        }
    }
    let platforms = written.platforms.into_iter().flatten().map(|platform| {
        Platform::known(&platform.value)
            .map_err(|error| checker.invalid(platform.referenced, error, "write it as linux/ARCH"))
    });
    let platforms = platforms.collect::<Result<_, _>>()?;
    let packages = checker.packages(written.packages.into_iter().flatten(), org.as_deref())?;
    let mut profiles: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, choices) in written.profiles.into_iter().flatten() {
        let profile = profiles.entry(name.value).or_default();
        for (directory, yml) in choices.into_iter().flatten() {
            let Some(path) = checker.directory(&directory) else { continue };
            if let Some(yml) = checker.file_in(&path, &yml) {
                profile.insert(path, yml);
            }
        }
    }
    let mut stale_pins = Vec::new();
    for pin in written.stale_pins.into_iter().flatten() {
        stale_pins.extend(checker.stale_pin(pin)?);
    }
    let content_trust = checker.content_trust(written.content_trust)?;
    if !checker.missing.is_empty() {
        return Err(Error::MissingListed { source_code: source.named(), labels: checker.missing }.into());
    }
    Ok(KitmakeYml {
        source: source.clone(),
        org,
        packages,
        profiles,
        registry,
        insecure_registries,
        certificate_authorities,
        mirrors,
        platforms,
        stale_pins,
        content_trust,
    })
}

struct Checker<'a> {
    source: &'a SourceFile,
    exists: &'a dyn Fn(&str) -> bool,
    /// Entries that name nothing.
    missing: Vec<LabeledSpan>,
}

impl Checker<'_> {
    fn packages(
        &mut self,
        written: impl Iterator<Item = (Text, Option<Written>)>,
        org: Option<&str>,
    ) -> Result<BTreeMap<String, Entry>, Problem> {
        let mut packages: BTreeMap<String, Entry> = BTreeMap::new();
        for (name, written) in written {
            let long = match written {
                None => Long::default(),
                Some(Written::Short(ymls)) => Long { build_ymls: Some(ymls), ..Long::default() },
                Some(Written::Long(long)) => *long,
            };
            let (path, yml) = match name.value.split_once(':') {
                Some((path, yml)) => (path.to_owned(), Some(yml.to_owned())),
                None => (name.value.clone(), None),
            };
            let at = |value| Spanned { value, referenced: name.referenced, defined: name.defined };
            let Some(path) = self.directory(&at(path)) else { continue };
            let key = match yml.map(|yml| self.file_in(&path, &at(yml))) {
                Some(None) => continue,
                Some(Some(yml)) => {
                    self.only_of_directory(&long)?;
                    packages.entry(path.clone()).or_default().add(yml.clone());
                    format!("{path}:{yml}")
                }
                None => path.clone(),
            };
            let entry = self.entry(&path, long, org)?;
            let known = packages.entry(key).or_default();
            let before = std::mem::replace(known, entry);
            before.build_ymls.into_iter().for_each(|yml| known.add(yml));
        }
        Ok(packages)
    }

    /// What is said of one yml is no more than what changes its package.
    fn only_of_directory(&self, long: &Long) -> Result<(), Problem> {
        let ymls = long.build_ymls.iter().flatten().next();
        let text = ymls.or(long.build_yml.as_ref()).or(long.image.as_ref()).or(long.org.as_ref());
        let others = long.network.as_ref().map(|network| network.referenced);
        let others = others.or(long.arches.iter().flatten().next().map(|arch| arch.referenced));
        match text.map(|text| text.referenced).or(others) {
            None => Ok(()),
            Some(location) => {
                let message = "this is said of a directory, not of one of its build ymls".to_owned();
                let help = "after `DIRECTORY:YML` only `hash`, `tag`, `build-arg-file` and `exclude` have a meaning";
                Err(self.invalid(location, message, help))
            }
        }
    }

    fn entry(&mut self, path: &str, written: Long, org: Option<&str>) -> Result<Entry, Problem> {
        let mut entry = Entry::default();
        for yml in written.build_ymls.iter().flatten() {
            if let Some(yml) = self.file_in(path, yml) {
                entry.add(yml);
            }
        }
        entry.build_yml = written.build_yml.as_ref().and_then(|yml| self.file_in(path, yml));
        let build_arg_file = match written.build_arg_file {
            Some(file) => self.below(path, &file).map(|value| Located { value, ..self.located(&file) }),
            None => None,
        };
        let tag = written.tag.filter(|tag| !tag.value.is_empty());
        entry.overrides = Overrides {
            hash: written.hash.map(|hash| hash.value).filter(|hash| !hash.is_empty()),
            tag: tag.map(|tag| self.located(&tag)),
            build_arg_file,
            exclude: self.exclude(written.exclude.as_deref().unwrap_or_default())?,
        };
        let Some(image) = written.image else {
            let org = written.org.map(|org| (org.referenced, "org"));
            let network = written.network.map(|network| (network.referenced, "network"));
            let arches = written.arches.iter().flatten().next().map(|arch| (arch.referenced, "arches"));
            return match org.or(network).or(arches) {
                None => Ok(entry),
                Some((location, key)) => {
                    let message = format!("`{key}` without `image`");
                    let help = "only where `image` makes the directory a package it has a meaning; else it belongs \
                                into the build yml";
                    Err(self.invalid(location, message, help))
                }
            };
        };
        if (self.exists)(&child(path, "build.yml")) || written.build_yml.is_some() {
            let message = format!("`{path}` has a build yml, which says what its image is");
            let help = "leave `image` out, or remove the build.yml";
            return Err(self.invalid(image.referenced, message, help));
        }
        let named = format!("x/{}", image.value).parse::<Reference>();
        if !named.is_ok_and(|named| named.tag().is_none() && named.digest().is_none()) {
            let message = format!("`{}` is not the name of an image", image.value);
            return Err(self.invalid(image.referenced, message, "write it without org and tag"));
        }
        let own_org = written.org.map(|org| self.org(org)).transpose()?;
        let declaration = Declaration {
            image: self.located(&image),
            org: own_org.or(org.map(str::to_owned)),
            network: written.network.is_some_and(|network| network.value),
            arches: written.arches.map(|arches| arches.iter().map(|arch| self.located(arch)).collect()),
        };
        entry.declared = Some(build_yml::declared(self.source, declaration)?);
        Ok(entry)
    }

    fn exclude(&self, written: &[Text]) -> Result<Vec<Located<String>>, Problem> {
        for pattern in written {
            if let Err(reason) = Excludes::new(std::slice::from_ref(&pattern.value)) {
                let message = format!("`{}` is not a pattern of a .gitignore: {reason}", pattern.value);
                return Err(self.invalid(pattern.referenced, message, "write it as in a .gitignore, such as `*.log`"));
            }
        }
        Ok(written.iter().map(|pattern| self.located(pattern)).collect())
    }

    fn stale_pin(&mut self, pin: Pin) -> Result<Option<StalePin>, Problem> {
        if pin.reason.value.trim().is_empty() {
            let help = "say in a few words why the pin may stay as it is";
            return Err(self.invalid(pin.reason.referenced, "a stale pin without a reason".to_owned(), help));
        }
        let image = match pin.image {
            None => None,
            Some(image) => Some(image.value.parse::<Reference>().map_err(|error| {
                self.invalid(
                    image.referenced,
                    error.to_string(),
                    "write it as the Dockerfile does, the tag may be left out",
                )
            })?),
        };
        let Some(file) = self.below(".", &pin.file) else { return Ok(None) };
        if !(self.exists)(&file) {
            self.miss(pin.file.referenced, "no such file");
            return Ok(None);
        }
        Ok(Some(StalePin { file, image, reason: pin.reason.value }))
    }

    /// A mapping that does not say `enabled: false` switches it on.
    fn content_trust(&self, written: Option<TrustWritten>) -> Result<ContentTrust, Problem> {
        let trust = match written {
            None => return Ok(ContentTrust::default()),
            Some(TrustWritten::Short(enabled)) => {
                return Ok(ContentTrust { enabled: Some(enabled), ..ContentTrust::default() });
            }
            Some(TrustWritten::Long(trust)) => *trust,
        };
        let is_url = |text: &str| {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        };
        if let Some(server) = trust.server.as_ref().filter(|server| !is_url(&server.value)) {
            let message = format!("`{}` is not the URL of a notary server", server.value);
            return Err(self.invalid(server.referenced, message, "write it as https://HOST[:PORT]"));
        }
        let text = |text: Option<Text>| text.map(|text| text.value).filter(|text| !text.trim().is_empty());
        Ok(ContentTrust {
            enabled: Some(trust.enabled.unwrap_or(true)),
            server: text(trust.server),
            ca_file: text(trust.ca_file),
            passphrase_command: text(trust.passphrase_command),
            directory: text(trust.directory),
        })
    }

    /// A directory below the root, or the root itself.
    fn directory(&mut self, written: &Text) -> Option<String> {
        let Some(path) = lexical(&written.value).filter(|_| !written.value.starts_with('/')) else {
            self.miss(written.referenced, "not below the root");
            return None;
        };
        if !(self.exists)(&path) {
            self.miss(written.referenced, "no such directory");
            return None;
        }
        Some(path)
    }

    /// A file that is there, relative to the directory `path`.
    fn file_in(&mut self, path: &str, written: &Text) -> Option<String> {
        let file = self.below(path, written)?;
        if (self.exists)(&child(path, &file)) {
            return Some(file);
        }
        self.miss(written.referenced, "no such file");
        None
    }

    /// A file that is there below the root, or one of the machine, which is missed by whoever reads it.
    fn anywhere(&mut self, written: &Text) -> Option<String> {
        if written.value.starts_with('/') { Some(written.value.clone()) } else { self.file_in(".", written) }
    }

    /// A file that need not be there yet, relative to the directory `path`.
    fn below(&mut self, path: &str, written: &Text) -> Option<String> {
        let clean = lexical(&written.value).filter(|clean| !written.value.starts_with('/') && clean != ".");
        if clean.is_none() {
            self.miss(written.referenced, if path == "." { "not below the root" } else { "not below the directory" });
        }
        clean
    }

    fn miss(&mut self, location: Location, message: &str) {
        let at = span(&range(self.source, location));
        self.missing.push(LabeledSpan::new_with_span(Some(message.to_owned()), at));
    }

    fn org(&self, org: Text) -> Result<String, Problem> {
        if format!("{}/x", org.value).parse::<Reference>().is_ok() {
            return Ok(org.value);
        }
        let message = format!("`{}` is not an org", org.value);
        Err(self.invalid(
            org.referenced,
            message,
            "it is what stands before the image, such as `linuxkit` or `HOST/PATH`",
        ))
    }

    /// `HOST`, or `HOST/PREFIX` where a prefix is allowed.
    fn place(&self, place: Text, prefix: bool) -> Result<String, Problem> {
        let named = format!("{}/x", place.value.trim_end_matches('/')).parse::<Reference>();
        if named.is_ok_and(|image| image.host().is_some() && (prefix || !place.value.contains('/'))) {
            return Ok(place.value);
        }
        let form = if prefix { "HOST[:PORT][/PREFIX]" } else { "HOST[:PORT]" };
        let message = format!("`{}` is not a registry of the form {form}", place.value);
        let help = "leave the scheme out; a host has a dot or a port, or is `localhost`";
        Err(self.invalid(place.referenced, message, help))
    }

    fn located(&self, text: &Text) -> Located<String> {
        let span = range(self.source, text.referenced);
        Located { value: text.value.clone(), line: self.source.line(span.start), span }
    }

    fn invalid(&self, location: Location, message: String, help: &str) -> Problem {
        let span = span(&range(self.source, location));
        Error::InvalidValue { message, help: help.to_owned(), source_code: self.source.named(), span }.into()
    }
}

impl Entry {
    fn add(&mut self, yml: String) {
        if !self.build_ymls.contains(&yml) {
            self.build_ymls.push(yml);
        }
    }
}
