//! The forms of former years, rewritten before the arguments are parsed.
//!
//! `linuxkit pkg` of 2017 to 2022 took flags with one dash (`-org=x`), and scripts still pass flags that mean nothing
//! today. After the verbs `show-tag`, `build` and `push`, a flag of that time gets its second dash, a switch with a value
//! (`-dev=true`) is decided, and what means nothing any more, or is not the command line's to say, is left out with a note.
//! What linuxkit still accepts for all verbs without it changing a tag is left out of `show-tag` without a word. Everything
//! else stays as it is, so that a flag without which something else would happen is refused.

use std::ffi::OsString;

/// Flags with a value.
const VALUES: [&str; 9] =
    ["build-yml", "hash", "hash-commit", "hash-path", "org", "platforms", "release", "skip-platforms", "tag"];
/// Flags without one.
const SWITCHES: [&str; 10] = [
    "canonical",
    "dev",
    "disable-content-trust",
    "docker",
    "enable-content-trust",
    "force",
    "force-dirty",
    "nobuild",
    "pull",
    "push",
];
/// Switches that are on unless they are turned off.
const ON: [&str; 3] = ["image", "manifest", "sign"];
/// Switches of what is built, which change no tag; the build yml decides on these.
const OF_BUILDS: [&str; 4] = ["disable-cache", "enable-cache", "network", "nonetwork"];
/// Global options with a value.
const GLOBAL_VALUES: [&str; 4] = ["-C", "--directory", "--color", "--progress"];
/// Switches of what is signed, which change no tag.
const OF_TRUST: [&str; 2] = ["disable-content-trust", "enable-content-trust"];

/// Flags of today's linuxkit that mean nothing here and without which something else would happen, so that they are refused.
pub(super) const REFUSED: [&str; 12] = [
    "builder-config",
    "builder-image",
    "builder-name",
    "builder-restart",
    "builders",
    "dockerfile",
    "ignore-cached",
    "mirror",
    "precache-images",
    "registry-creds",
    "sbom-scanner",
    "ssh",
];

/// Arguments as they are parsed, and what is to be told about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewritten {
    /// All arguments, the program's name included.
    pub arguments: Vec<OsString>,
    /// Sentence fragments.
    pub notes: Vec<String>,
}

/// Rewrites the arguments of a process. `is_package` says whether a word names a package: a trailing `push` after `build`
/// means `--push` unless it does.
#[must_use]
pub fn rewrite(arguments: Vec<OsString>, is_package: &dyn Fn(&str) -> bool) -> Rewritten {
    let mut rewritten = Rewritten::default();
    let Some((verb, at)) = find_verb(&arguments) else { return Rewritten { arguments, ..rewritten } };
    let last = arguments.len() - 1;
    let mut rest = arguments.into_iter().enumerate();
    rewritten.arguments.extend(rest.by_ref().take(at + 1).map(|(_, argument)| argument));
    while let Some((place, argument)) = rest.next() {
        let Some(text) = argument.to_str() else {
            rewritten.arguments.push(argument);
            continue;
        };
        if text == "--" {
            rewritten.arguments.push(argument);
            rewritten.arguments.extend(rest.map(|(_, argument)| argument));
            break;
        }
        if verb == "build" && place == last && text == "push" && !is_package(text) {
            rewritten.notes.push("`build … push` is written `build --push` today".to_owned());
            rewritten.arguments.push("--push".into());
            continue;
        }
        let Some(flag) = Flag::parse(text) else {
            rewritten.arguments.push(argument);
            continue;
        };
        let takes_value = VALUES.contains(&flag.name);
        if takes_value && flag.value.is_none() {
            rewritten.arguments.push(format!("--{}", flag.name).into());
            rewritten.arguments.extend(rest.next().map(|(_, value)| value));
        } else if verb == "show-tag" && flag.name == "registry-creds" {
            if flag.value.is_none() {
                rest.next();
            }
        } else {
            rewritten.rewrite_flag(&flag, &verb, argument.clone());
        }
    }
    rewritten
}

struct Flag<'a> {
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Flag<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let name = text.strip_prefix('-').filter(|name| name.len() > 1)?;
        let name = name.strip_prefix('-').unwrap_or(name);
        let (name, value) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)));
        Some(Self { name, value })
    }

    /// Go's reading of a switch with a value.
    fn is_on(&self) -> Option<bool> {
        match self.value {
            None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Some(true),
            Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Some(false),
            Some(_) => None,
        }
    }
}

impl Rewritten {
    fn rewrite_flag(&mut self, flag: &Flag<'_>, verb: &str, argument: OsString) {
        let Flag { name, value } = *flag;
        if let (true, Some(value)) = (VALUES.contains(&name), value) {
            self.arguments.push(format!("--{name}={value}").into());
        } else if verb == "show-tag" && (OF_BUILDS.contains(&name) || OF_TRUST.contains(&name)) {
            // It changes what is built and never what that is called.
        } else if OF_BUILDS.contains(&name) {
            if flag.is_on() != Some(false) {
                self.notes.push(format!("`--{name}` is ignored: the build yml of each package decides"));
            }
        } else if name == "docker" && verb != "show-tag" {
            if flag.is_on() != Some(false) {
                self.notes.push("`--docker` is ignored: every image is on the engine".to_owned());
            }
        } else if ON.contains(&name) {
            self.arguments.push(match flag.is_on() {
                Some(on) => format!("--{name}={on}").into(),
                None => argument,
            });
        } else if SWITCHES.contains(&name) {
            match flag.is_on() {
                Some(true) => self.arguments.push(format!("--{name}").into()),
                Some(false) => {}
                None => self.arguments.push(argument),
            }
        } else {
            self.arguments.push(argument);
        }
    }
}

/// The verb that has older forms, and its place.
fn find_verb(arguments: &[OsString]) -> Option<(String, usize)> {
    let mut rest = arguments.iter().enumerate().skip(1);
    while let Some((place, argument)) = rest.next() {
        match argument.to_str()? {
            option if GLOBAL_VALUES.contains(&option) => drop(rest.next()),
            verb @ ("show-tag" | "build" | "push") => return Some((verb.to_owned(), place)),
            flag if flag.starts_with('-') => {}
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> (String, usize) {
        let arguments = line.split(' ').map(OsString::from).collect();
        let Rewritten { arguments, notes } = rewrite(arguments, &|_| false);
        let words: Vec<String> = arguments.into_iter().map(|word| word.into_string().unwrap()).collect();
        (words.join(" "), notes.len())
    }

    #[test]
    fn one_dash_becomes_two_and_what_means_nothing_goes() {
        for (line, expected, notes) in [
            ("k show-tag -org=x pkg/a", "k show-tag --org=x pkg/a", 0),
            ("k show-tag -org x -hash foo a", "k show-tag --org x --hash foo a", 0),
            ("k show-tag -network -disable-content-trust a", "k show-tag a", 0),
            ("k show-tag --network --registry-creds x=y a", "k show-tag a", 0),
            ("k show-tag -force-dirty=true -dev=false a", "k show-tag --force-dirty a", 0),
            ("k show-tag -v -- -org=x", "k show-tag -v -- -org=x", 0),
            ("k -C build show-tag -org=x a", "k -C build show-tag --org=x a", 0),
            ("k build -network -j 4 a push", "k build -j 4 a --push", 2),
            ("k build -disable-cache -docker -nonetwork=false a", "k build a", 2),
            (
                "k build -skip-platforms linux/s390x -platforms=all a",
                "k build --skip-platforms linux/s390x --platforms=all a",
                0,
            ),
            ("k push -disable-content-trust a", "k push --disable-content-trust a", 0),
            ("k push -release 1 -nobuild a", "k push --release 1 --nobuild a", 0),
            ("k push -manifest=false -image=T -sign a", "k push --manifest=false --image=true --sign=true a", 0),
            (
                "k --color never --progress plain --directory d push -force a",
                "k --color never --progress plain --directory d push --force a",
                0,
            ),
            ("k --color=never build -org=x a", "k --color=never build --org=x a", 0),
            ("k build push a", "k build push a", 0),
            ("k graph -org=x", "k graph -org=x", 0),
            ("k show-tag --hash -org a", "k show-tag --hash -org a", 0),
        ] {
            assert_eq!(rewritten(line), (expected.to_owned(), notes), "{line}");
        }
    }

    #[test]
    fn a_package_named_push_is_a_package() {
        let arguments: Vec<OsString> = ["k", "build", "push"].map(OsString::from).into();
        assert_eq!(rewrite(arguments.clone(), &|word| word == "push").arguments, arguments);
    }
}
