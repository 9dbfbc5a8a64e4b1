//! How far a change spreads, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::render::table;
use super::{Cause, Place, Rebuilt, Spread};
use crate::wording::counted;

/// The version of the JSON form: it changes when a field changes its meaning or goes away.
const SCHEMA_VERSION: u32 = 1;

/// How many packages are listed one by one.
const LISTED: usize = 12;

/// How many packages of a level, and how many assumed ones, are named where not all are.
const NAMED: usize = 4;

/// For people: one screen, unless `verbose`.
#[must_use]
pub fn text(spread: &Spread, verbose: bool) -> String {
    let levels = spread.packages.last().map_or(0, |package| package.level);
    let assumed = named(&mut spread.assumed.iter().map(ToString::to_string), spread.assumed.len());
    let pins = match spread.pins.len() {
        0 => "nothing".to_owned(),
        pins => format!("{} in {}", counted(pins, "place"), counted(spread.files, "file")),
    };
    let (packages, levels) = (counted(spread.packages.len(), "package"), counted(levels, "level"));
    let mut text = format!("a change of {assumed} rebuilds {packages} in {levels} and re-pins {pins}\n");
    if verbose || spread.packages.len() <= LISTED {
        let rows: Vec<[String; 3]> = spread.packages.iter().flat_map(|package| rows(package, verbose)).collect();
        text += &table(&rows);
    } else {
        let row = |packages: &[Rebuilt]| {
            let names = named(&mut packages.iter().map(called), packages.len());
            [format!("level {}", packages[0].level), counted(packages.len(), "package"), names]
        };
        let rows: Vec<[String; 3]> = spread.packages.chunk_by(|a, b| a.level == b.level).map(row).collect();
        text += &table(&rows);
        text += "-v lists each with its reasons\n";
    }
    if !spread.left.is_empty() {
        let _ = writeln!(text, "{} would go stale and cannot be re-pinned:", counted(spread.left.len(), "pin"));
        let row = |place: &Place, why: &str| {
            [format!("  {}:{}", place.file, place.line), place.reference.clone(), why.to_owned()]
        };
        let rows: Vec<[String; 3]> = spread.left.iter().map(|left| row(&left.place, &left.why)).collect();
        text += &table(&rows);
    }
    text
}

/// One row for a package, or one for each of its causes.
fn rows(package: &Rebuilt, verbose: bool) -> Vec<[String; 3]> {
    let level = format!("level {}", package.level);
    if verbose {
        return package.causes.iter().map(|cause| [level.clone(), called(package), sentence(cause)]).collect();
    }
    let more = package.causes.len() - 1;
    let more = if more == 0 { String::new() } else { format!(", and {}", counted(more, "other reason")) };
    vec![[level, called(package), format!("{}{more}", sentence(&package.causes[0]))]]
}

fn called(package: &Rebuilt) -> String {
    if package.new_tag { package.name.to_string() } else { format!("{} (same tag)", package.name) }
}

fn named(names: &mut dyn Iterator<Item = String>, count: usize) -> String {
    let first: Vec<String> = names.take(NAMED).collect();
    format!("{}{}", first.join(", "), if count > NAMED { ", …" } else { "" })
}

/// A cause in a few words.
fn sentence(cause: &Cause) -> String {
    let at = |Place { file, line, package, .. }: &Place, does: &str| format!("{file}:{line} {does} {package}");
    match cause {
        Cause::Assumed => "is assumed to change".to_owned(),
        Cause::Directory { package } => format!("has the files of {package}"),
        Cause::ExtraSource { package, file, line } => format!("{file}:{line} takes files of {package}"),
        Cause::Pin(place) => at(place, "names"),
        Cause::BuildArg(place) => at(place, "has the image of"),
        Cause::BuiltOn(place) => at(place, "is built on"),
    }
}

/// For programs.
#[must_use]
pub fn json(spread: &Spread) -> impl Serialize + '_ {
    #[derive(Serialize)]
    struct Json<'a> {
        schema_version: u32,
        #[serde(flatten)]
        spread: &'a Spread,
    }
    Json { schema_version: SCHEMA_VERSION, spread }
}
