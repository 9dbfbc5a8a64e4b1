//! Places that are read from instead of a registry.
//!
//! A mirror can only say yes: what it does not have, or does not answer, is asked of the next one and at last of the
//! registry itself. A mirror that cannot be reached is not asked again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::error::Error;
use crate::image::Reference;

/// All mirrors.
pub(super) struct Mirrors {
    /// Registry host to `HOST[:PORT][/PREFIX]`, in order.
    places: BTreeMap<String, Vec<String>>,
    /// Hosts that could not be reached.
    gone: Mutex<BTreeSet<String>>,
}

impl Mirrors {
    /// Mirrors by registry host.
    pub fn new(places: BTreeMap<String, Vec<String>>) -> Self {
        Self { places, gone: Mutex::default() }
    }

    /// Where an image is to be looked for before its registry, in order.
    pub fn of(&self, image: &Reference) -> Vec<Reference> {
        let canonical = image.canonical();
        let host = canonical.host().unwrap_or_default();
        let Some(places) = self.places.get(host) else { return Vec::new() };
        let text = canonical.to_string();
        let path = text.strip_prefix(host).unwrap_or(&text);
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        let mirrored = places.iter().filter_map(|place| format!("{}{path}", place.trim_end_matches('/')).parse().ok());
        mirrored.filter(|image: &Reference| image.host().is_none_or(|host| !gone.contains(host))).collect()
    }

    /// Remembers a mirror that could not be reached.
    pub fn failed(&self, image: &Reference, error: &Error) {
        let unreachable = matches!(
            error,
            Error::Refused { .. }
                | Error::Timeout { .. }
                | Error::Dns { .. }
                | Error::Certificate { .. }
                | Error::Tls { .. }
                | Error::Connection { .. }
                | Error::Server { .. }
                | Error::RateLimited { .. }
        );
        if let (true, Some(host)) = (unreachable, image.host()) {
            self.gone.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_looked_for_under_the_prefix_of_each_mirror_of_its_registry() {
        let places = ["m.io:5000/hub", "127.0.0.1:1"].map(str::to_owned).to_vec();
        let mirrors = Mirrors::new(BTreeMap::from([("docker.io".to_owned(), places)]));
        let of = |image: &str| -> Vec<String> {
            mirrors.of(&image.parse().unwrap()).iter().map(ToString::to_string).collect()
        };
        assert_eq!(of("alpine:3"), ["m.io:5000/hub/library/alpine:3", "127.0.0.1:1/library/alpine:3"]);
        let digest = format!("linuxkit/init@sha256:{}", "0".repeat(64));
        assert_eq!(of(&digest)[0], format!("m.io:5000/hub/{digest}"));
        assert_eq!(of("ghcr.io/a/b:1"), [""; 0]);
    }
}
