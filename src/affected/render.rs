//! What differs, for people, for programs and for scripts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::{Affected, Change, Follower, Reason, StalePin};
use crate::wording::columns;
use crate::workspace::PackageName;

/// The version of the JSON form: it changes when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// A revision as it was asked for, and the commit that it is.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Named<'a> {
    /// As given.
    pub revision: &'a str,
    /// The full id.
    pub commit: &'a str,
}

#[derive(Debug, Serialize)]
struct Json<'a> {
    schema_version: u32,
    since: Named<'a>,
    until: Named<'a>,
    changed: &'a [Change],
    followers: &'a [Follower],
    stale_pins: &'a [StalePin],
    submodules: &'a [String],
    /// The packages that cannot be read in full, on which hangs what is selected or what follows a change.
    unread: BTreeSet<PackageName>,
}

/// For programs; `unread` are the packages of which nobody knows what they need, and on which the answer hangs.
#[must_use]
pub fn json<'a>(
    affected: &'a Affected,
    since: Named<'a>,
    until: Named<'a>,
    unread: BTreeSet<PackageName>,
) -> impl Serialize + 'a {
    Json {
        schema_version: SCHEMA_VERSION,
        since,
        until,
        changed: &affected.changed,
        followers: &affected.followers,
        stale_pins: &affected.stale,
        submodules: &affected.submodules,
        unread,
    }
}

/// For scripts: the packages that are there and have to be built, changed or built on what has changed; one per line.
#[must_use]
pub fn names(affected: &Affected) -> String {
    let changed = affected.changed.iter().filter(|change| change.is_there).map(|change| &change.name);
    let mut names: Vec<&PackageName> =
        changed.chain(affected.followers.iter().map(|follower| &follower.name)).collect();
    names.sort_unstable();
    names.iter().fold(String::new(), |text, name| format!("{text}{name}\n"))
}

/// For people; `all` if nothing was left out.
#[must_use]
pub fn text(affected: &Affected, since: Named<'_>, all: bool) -> String {
    let mut text = String::new();
    let of = |named: Named<'_>| {
        let short = named.commit.get(..12).unwrap_or(named.commit);
        if named.commit.starts_with(named.revision) {
            short.to_owned()
        } else {
            format!("{} ({short})", named.revision)
        }
    };
    if affected.changed.is_empty() {
        let none = if all { "no package" } else { "none of these packages" };
        let _ = writeln!(text, "{none} has changed since {}", of(since));
    } else {
        let _ = writeln!(text, "changed since {}: {}", of(since), affected.changed.len());
    }
    let rows = affected.changed.iter().map(|change| {
        let reasons: Vec<String> = change.reasons.iter().map(sentence).collect();
        [change.name.to_string(), reasons.join("; "), String::new()]
    });
    table(&mut text, &rows.collect::<Vec<_>>());
    if !affected.followers.is_empty() {
        let _ = writeln!(text, "built on what has changed, by a pin that stays right: {}", affected.followers.len());
    }
    let rows = affected.followers.iter().map(|it| [it.name.to_string(), format!("on {}", it.on), String::new()]);
    table(&mut text, &rows.collect::<Vec<_>>());
    if !affected.stale.is_empty() {
        let _ = writeln!(text, "pins that went stale: {}", stale_places(affected));
    }
    // Packages may share a Dockerfile: what stands there is one pin, and of all of them.
    let mut rows: Vec<[String; 3]> = Vec::new();
    for pin in &affected.stale {
        let now = pin.current.as_deref().and_then(|current| current.rsplit(':').next());
        let now = now.map(|tag| format!(", now {}", tag.get(..12).unwrap_or(tag))).unwrap_or_default();
        let (at, said) = (format!("{}:{}", pin.file, pin.line), format!("{}{now}", pin.reference));
        match rows.iter_mut().find(|row| row[1] == at && row[2] == said) {
            Some(row) => row[0] = format!("{}, {}", row[0], pin.name),
            None => rows.push([pin.name.to_string(), at, said]),
        }
    }
    table(&mut text, &rows);
    text
}

/// How many places the stale pins stand at.
fn stale_places(affected: &Affected) -> usize {
    let places = affected.stale.iter().map(|pin| (&pin.file, pin.line, &pin.reference));
    places.collect::<BTreeSet<_>>().len()
}

/// A reason in a few words.
fn sentence(reason: &Reason) -> String {
    let files = |count: usize, first: &[String]| match count {
        0 => "other files".to_owned(),
        1 => format!("1 file: {}", first.join(", ")),
        _ => format!("{count} files: {}{}", first.join(", "), if count > first.len() { ", …" } else { "" }),
    };
    let or_none = |value: &Option<String>| value.clone().unwrap_or_else(|| "not set".to_owned());
    match reason {
        Reason::New => "new".to_owned(),
        Reason::Removed => "removed".to_owned(),
        Reason::Files { count, first } => files(*count, first),
        Reason::Dirty => "dirty".to_owned(),
        Reason::ExtraSource { source, count, first } => format!("extra source {source}: {}", files(*count, first)),
        Reason::BuildArg { name, package: Some(package), .. } => format!("build arg {name} is another {package}"),
        Reason::BuildArg { name, before, after, package: None } => {
            format!("build arg {name}: {} -> {}", or_none(before), or_none(after))
        }
        Reason::Field { name, before, after } => format!("{name}: {} -> {}", quoted(before), quoted(after)),
        Reason::Platforms { added, removed } => {
            let signs = added.iter().map(|it| format!("+{it}")).chain(removed.iter().map(|it| format!("-{it}")));
            format!("platforms {}", signs.collect::<Vec<_>>().join(" "))
        }
        Reason::Submodule { submodule, source, absent } => {
            let of = source.as_ref().map(|source| format!("extra source {source}: ")).unwrap_or_default();
            let short: Vec<&str> = absent.iter().map(|id| id.get(..12).unwrap_or(id)).collect();
            let absent = match &short[..] {
                [one] => format!("{one} is not here"),
                several => format!("neither {} is here", several.join(" nor ")),
            };
            format!("{of}the submodule {submodule} has moved, and {absent}")
        }
        Reason::Unknown { why } => format!("cannot be compared: {why}"),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
}

/// Rows with aligned columns.
fn table(text: &mut String, rows: &[[String; 3]]) {
    for line in columns(rows) {
        let _ = writeln!(text, "  {line}");
    }
}
