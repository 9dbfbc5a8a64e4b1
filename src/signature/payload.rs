//! What is signed: a JSON document in the form "simple signing" that names a digest.

use serde::{Deserialize, Serialize};

use crate::image::Reference;

/// What a payload of cosign says that it is.
const TYPE: &str = "cosign container image signature";

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    #[serde(default, skip_deserializing)]
    optional: Option<()>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Identity {
    #[serde(default)]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The payload for a digest of the repository of an image, byte by byte as cosign writes it.
pub(super) fn bytes(image: &Reference, digest: &str) -> Vec<u8> {
    let payload = Payload {
        critical: Critical {
            identity: Identity { docker_reference: repository(image) },
            image: Image { docker_manifest_digest: digest.to_owned() },
            kind: TYPE.to_owned(),
        },
        optional: None,
    };
    serde_json::to_vec(&payload).expect("a payload holds only text")
}

/// Whether this is a payload for a digest.
pub(super) fn names(payload: &[u8], digest: &str) -> bool {
    serde_json::from_slice::<Payload>(payload)
        .is_ok_and(|Payload { critical, .. }| critical.kind == TYPE && critical.image.docker_manifest_digest == digest)
}

/// Registry and repository with the name that cosign has for docker.io.
fn repository(image: &Reference) -> String {
    let image = image.canonical();
    let host = image.host().filter(|host| *host != "docker.io").unwrap_or("index.docker.io");
    format!("{host}/{}", image.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(digit: &str) -> String {
        format!("sha256:{}", digit.repeat(64))
    }

    #[test]
    fn a_payload_is_what_cosign_writes() {
        for (image, repository) in [
            ("reg.io:5000/a/b:tag", "reg.io:5000/a/b"),
            ("linuxkit/init:1", "index.docker.io/linuxkit/init"),
            ("alpine", "index.docker.io/library/alpine"),
            ("localhost/x", "localhost/x"),
        ] {
            let expected = format!(
                concat!(
                    r#"{{"critical":{{"identity":{{"docker-reference":"{}"}},"#,
                    r#""image":{{"docker-manifest-digest":"{}"}},"#,
                    r#""type":"cosign container image signature"}},"optional":null}}"#
                ),
                repository,
                digest("a")
            );
            let payload = bytes(&image.parse().unwrap(), &digest("a"));
            assert_eq!(String::from_utf8(payload).unwrap(), expected);
        }
    }

    #[test]
    fn a_payload_names_its_digest_and_no_other() {
        let payload = bytes(&"a/b".parse().unwrap(), &digest("a"));
        assert!(names(&payload, &digest("a")));
        assert!(!names(&payload, &digest("b")));
        let annotated = String::from_utf8(payload.clone()).unwrap().replace("null", r#"{"creator":"x","n":[1]}"#);
        assert!(names(annotated.as_bytes(), &digest("a")));
    }

    #[test]
    fn another_document_that_has_the_digest_is_no_payload() {
        let payload = String::from_utf8(bytes(&"a/b".parse().unwrap(), &digest("a"))).unwrap();
        for other in [
            payload.replace(TYPE, "atomic container signature"),
            payload.replace("critical", "optional"),
            payload.replace("docker-manifest-digest", "digest"),
            payload[1..].to_owned(),
            format!("{payload}{payload}"),
            String::new(),
        ] {
            assert!(!names(other.as_bytes(), &digest("a")), "{other}");
        }
    }
}
