//! What the notary client lists of a repository, and which line of it is meant.
//!
//! The list is a table for people: it shows names as they are signed, even with line breaks in them, so that whoever may
//! sign in some role could write a line that looks like one of another role. A line therefore counts only if the trust
//! data of its role, which notary has verified and left in its directory, says the same.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::notary::Output;
use super::{Error, RELEASES, Signed};
use crate::hex::hex;

/// The roles that count, the first before the second.
const ROLES: [&str; 2] = [RELEASES, "targets"];

/// What a server has of a repository.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// What the tag is signed with.
    pub(super) signed: Option<Signed>,
    /// Whether somebody may sign in [`RELEASES`].
    pub(super) has_releases: bool,
}

/// The trust data of a role, as far as it is of use here.
#[derive(Deserialize)]
struct Role {
    signed: Content,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    targets: BTreeMap<String, Target>,
    #[serde(default)]
    delegations: Delegations,
}

#[derive(Deserialize, Default)]
struct Delegations {
    #[serde(default)]
    roles: Vec<Delegation>,
}

#[derive(Deserialize)]
struct Delegation {
    name: String,
}

#[derive(Deserialize)]
struct Target {
    hashes: BTreeMap<String, String>,
    length: u64,
}

/// Reads the list of a repository that has been fetched into `directory`.
pub(super) fn read(output: &Output, repository: &str, tag: &str, directory: &Path) -> Result<Listing, Error> {
    let malformed = |what: &str| Error::Malformed { repository: repository.to_owned(), what: what.to_owned() };
    let listed = listed(&output.stdout, tag).map_err(|line| malformed(&line))?;
    let role = |name: &str| -> Result<Content, Error> {
        let path = directory.join("metadata").join(format!("{name}.json"));
        let unreadable = |reason: String| Error::Directory { path: path.display().to_string(), reason };
        let bytes = std::fs::read(&path).map_err(|error| unreadable(error.to_string()))?;
        let role: Role = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        Ok(role.signed)
    };
    let has_releases = role("targets")?.delegations.roles.iter().any(|delegation| delegation.name == RELEASES);
    for name in ROLES {
        let mut lines = listed.iter().filter(|line| line.role == name);
        let Some(line) = lines.next() else { continue };
        let signed = role(name)?.targets.remove(tag).and_then(Target::signed);
        if lines.next().is_some() || signed.as_ref() != Some(&line.signed) {
            return Err(malformed(&format!("the trust data of `{name}` is not what is listed for the tag `{tag}`")));
        }
        return Ok(Listing { signed, has_releases });
    }
    Ok(Listing { signed: None, has_releases })
}

impl Target {
    fn signed(self) -> Option<Signed> {
        let digest = STANDARD.decode(self.hashes.get("sha256")?).ok().filter(|bytes| bytes.len() == 32)?;
        Some(Signed { digest: format!("sha256:{}", hex(&digest)), size: self.length })
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Line {
    signed: Signed,
    role: String,
}

/// The lines of a tag; a text that is no list is an error, with what is odd about it.
fn listed(text: &str, tag: &str) -> Result<Vec<Line>, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    match lines.next() {
        Some(line) if line.trim() == "No targets present in this repository." => return Ok(Vec::new()),
        Some(line) if line.split_whitespace().eq(["NAME", "DIGEST", "SIZE", "(BYTES)", "ROLE"]) => {}
        other => return Err(format!("`{}` is no heading of a list", other.unwrap_or_default())),
    }
    // A name may have blanks in it, which no tag has; what stands behind it has none.
    let of_tag = lines.filter_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, digest, size, role] if name == tag => Some((line, digest, size, role)),
        _ => None,
    });
    let of_tag = of_tag.map(|(line, digest, size, role)| match size.parse() {
        Ok(size) if is_sha256(digest) => {
            Ok(Line { signed: Signed { digest: format!("sha256:{digest}"), size }, role: role.to_owned() })
        }
        _ => Err(format!("`{line}` is not a name, a digest, a size and a role")),
    });
    of_tag.collect()
}

/// Whether a text is the 64 lower-case hexadecimal digits of a SHA-256.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: &str = "NAME    DIGEST    SIZE (BYTES)    ROLE\n----    ------    ------------    ----\n";

    fn digest(of: char) -> String {
        of.to_string().repeat(64)
    }

    /// What is found where notary has listed `text`, and has left these targets of `targets` and `targets/releases`, with
    /// the digest of 64 times the letter.
    fn read(text: &str, targets: &[(&str, char)], releases: &[(&str, char)]) -> Result<Listing, Error> {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, targets: &[(&str, char)]| {
            let targets: serde_json::Map<_, _> = targets
                .iter()
                .map(|(name, letter)| {
                    let bytes = [u8::from_str_radix(&letter.to_string().repeat(2), 16).unwrap(); 32];
                    let hashes = serde_json::json!({"sha256": STANDARD.encode(bytes)});
                    ((*name).to_owned(), serde_json::json!({"hashes": hashes, "length": 7}))
                })
                .collect();
            let roles = serde_json::json!([{"name": RELEASES, "keyids": [], "threshold": 1, "paths": [""]}]);
            let signed = serde_json::json!({"targets": targets, "delegations": {"keys": {}, "roles": roles}});
            let path = directory.path().join("metadata").join(format!("{name}.json"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, serde_json::json!({"signed": signed, "signatures": []}).to_string()).unwrap();
        };
        write("targets", targets);
        write(RELEASES, releases);
        super::read(&Output::success(text), "docker.io/org/image", "t", directory.path())
    }

    fn line(name: &str, letter: char, role: &str) -> String {
        format!("{name}    {}    7    {role}\n", digest(letter))
    }

    fn found(letter: char) -> Listing {
        let signed = Signed { digest: format!("sha256:{}", digest(letter)), size: 7 };
        Listing { signed: Some(signed), has_releases: true }
    }

    #[test]
    fn a_tag_is_signed_with_what_its_role_says() {
        let text = format!("{HEADING}{}{}", line("s", 'b', RELEASES), line("t", 'a', RELEASES));
        assert_eq!(read(&text, &[], &[("s", 'b'), ("t", 'a')]).unwrap(), found('a'));
        let text = format!("{HEADING}{}", line("t", 'a', "targets"));
        assert_eq!(read(&text, &[("t", 'a')], &[]).unwrap(), found('a'));
    }

    #[test]
    fn releases_win_over_targets() {
        let text = format!("{HEADING}{}{}", line("t", 'a', "targets"), line("t", 'b', RELEASES));
        assert_eq!(read(&text, &[("t", 'a')], &[("t", 'b')]).unwrap(), found('b'));
    }

    #[test]
    fn what_other_roles_sign_does_not_count() {
        let absent = Listing { signed: None, has_releases: true };
        let text = format!("{HEADING}{}{}", line("t", 'a', "targets/alice"), line("tt", 'b', RELEASES));
        assert_eq!(read(&text, &[], &[("tt", 'b')]).unwrap(), absent);
        let blanks = line(&format!("t {} 7 {RELEASES}", digest('a')), 'b', "targets/alice");
        assert_eq!(read(&format!("{HEADING}{blanks}"), &[], &[]).unwrap(), absent);
        assert_eq!(read("\nNo targets present in this repository.\n\n", &[], &[]).unwrap(), absent);
    }

    #[test]
    fn a_line_that_the_role_does_not_say_is_refused() {
        // A name with a line break in it, signed by somebody who may sign in another role.
        let forged = format!("{HEADING}{}", line("t", 'a', RELEASES));
        for releases in [&[][..], &[("t", 'b')]] {
            assert!(matches!(read(&forged, &[], releases), Err(Error::Malformed { .. })), "{releases:?}");
        }
        let twice = format!("{forged}{}", line("t", 'b', RELEASES));
        assert!(matches!(read(&twice, &[], &[("t", 'a')]), Err(Error::Malformed { .. })));
    }

    #[test]
    fn a_text_that_is_no_list_is_an_error() {
        let lines = ["t    x    7    targets\n".to_owned(), line("t", 'a', RELEASES).replace('7', "-7")];
        let lines = lines.map(|line| format!("{HEADING}{line}"));
        for text in ["", "something else\n", &lines[0], &lines[1]] {
            assert!(matches!(read(text, &[], &[]), Err(Error::Malformed { .. })), "{text}");
        }
    }
}
