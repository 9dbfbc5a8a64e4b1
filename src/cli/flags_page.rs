//! Holds `docs/linuxkit-flags.md` to the command line: what it names exists, what it says is ignored is, and what it says is
//! not there is not.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::{Cli, legacy};

/// A row of a table.
struct Row {
    linuxkit: Vec<String>,
    verbs: Vec<String>,
    kitmake: String,
}

fn rows() -> Vec<Row> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/linuxkit-flags.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().filter(|line| line.starts_with("| `") || line.starts_with("| –"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [linuxkit, verbs, kitmake, _] = cells[..] else { panic!("four cells: {line}") };
            let verbs = if verbs == "all" { "build, push, show-tag" } else { verbs };
            let verbs = verbs.split(", ").filter(|verb| *verb != "–").map(str::to_owned).collect();
            Row { linuxkit: code(linuxkit), verbs, kitmake: kitmake.to_owned() }
        })
        .collect()
}

/// What stands between backticks.
fn code(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The flag of a text such as `push --image=false`, without its value.
fn flag(text: &str) -> Option<&str> {
    let word = text.split(' ').find(|word| word.starts_with("--"))?;
    Some(word.split('=').next().unwrap_or(word))
}

/// Whether a verb takes a flag; global ones every verb takes.
fn takes(command: &Command, verb: &str, flag: &str) -> bool {
    let of = |command: &Command| {
        command.get_arguments().any(|argument| {
            let names = argument.get_long_and_visible_aliases().unwrap_or_default();
            names.iter().any(|name| format!("--{name}") == flag)
        })
    };
    let verb = command.find_subcommand(verb).unwrap_or_else(|| panic!("no verb `{verb}`"));
    of(verb) || of(command)
}

/// Whether the command line takes a flag of former years and leaves it out.
fn is_ignored(verb: &str, flag: &str) -> bool {
    let arguments = ["kitmake", verb, flag].map(OsString::from).to_vec();
    legacy::rewrite(arguments, &|_| false).arguments.len() == 2
}

#[test]
fn every_flag_that_the_page_calls_ours_exists() {
    let command = Cli::command();
    let mut seen = BTreeSet::new();
    for row in rows() {
        for named in code(&row.kitmake) {
            seen.insert(flag(&named).unwrap_or(&named).to_owned());
            let first = named.split(' ').next().unwrap();
            let own = (!first.starts_with("--")).then(|| first.to_owned());
            let Some(flag) = flag(&named) else {
                let verb = own.unwrap();
                assert!(command.find_subcommand(&verb).is_some(), "no verb `{verb}`");
                continue;
            };
            let verbs = own.map_or_else(|| row.verbs.clone(), |verb| vec![verb]);
            assert!(!verbs.is_empty(), "{named} belongs to no verb");
            for verb in verbs {
                assert!(takes(&command, &verb, flag), "`{verb}` has no {flag}");
            }
        }
    }
}

#[test]
fn what_the_page_calls_ignored_or_absent_is() {
    let command = Cli::command();
    let mut checked = 0;
    for Row { linuxkit, verbs, kitmake } in rows() {
        for (named, verb) in linuxkit.iter().flat_map(|named| verbs.iter().map(move |verb| (named, verb))) {
            let Some(flag) = flag(named) else { continue };
            match kitmake.as_str() {
                "ignored" => assert!(is_ignored(verb, flag), "`{verb}` does not ignore {flag}"),
                "–" => {
                    assert!(!takes(&command, verb, flag), "`{verb}` has {flag}");
                    assert!(!is_ignored(verb, flag), "`{verb}` ignores {flag}");
                    let is_named = legacy::REFUSED.contains(&flag.trim_start_matches('-'));
                    assert!(is_named || verb == "remote-tag", "{flag} is not known to be linuxkit's");
                }
                _ => continue,
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}

#[test]
fn every_flag_of_linuxkit_is_on_the_page() {
    let rows = rows();
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| &row.linuxkit).filter_map(|named| flag(named)).collect();
    // As `linuxkit pkg VERB --help` lists them, commit 3bf33c3a.
    for flag in "build-arg-file build-yml builder-config builder-image builder-name builder-restart builders cache canonical \
                 cert-file dev disable-cache docker dockerfile dry-run enable-cache force force-dirty hash hash-commit \
                 hash-path ignore-cached manifest mirror network nobuild nonetwork org platforms precache-images progress \
                 pull push quiet registry-creds release sbom-scanner skip-platforms ssh tag verbose"
        .split_whitespace()
    {
        assert!(named.contains(&*format!("--{flag}")), "--{flag} is missing");
    }
}
