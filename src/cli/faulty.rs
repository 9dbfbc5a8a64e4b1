//! What is said of packages that cannot be read, or are wrong, and that nobody asked for by name.

use std::collections::BTreeSet;

use super::output::Output;
use crate::workspace::{Faulty, PackageName};

/// How many are named in one line.
const NAMED: usize = 8;

/// Says of packages in one line what they are or mean, in words that follow `1 package` and those that follow more; with -v
/// also why.
pub(super) fn say(output: &Output, packages: &[Faulty], one: &str, several: &str) {
    if packages.is_empty() {
        return;
    }
    output.say(&line(packages, one, several, output.verbose > 0));
    if output.verbose > 0 {
        packages.iter().flat_map(|faulty| &faulty.problems).for_each(|problem| output.warning(problem));
    }
}

/// Says of packages that cannot be read in full that selectors follow edges which they may have.
pub(super) fn say_unsure(output: &Output, packages: &[Faulty]) {
    let words = "cannot be read in full, on which hangs what is selected";
    say(output, packages, words, words);
}

/// The names of all of these.
pub(super) fn names<'a>(lists: impl IntoIterator<Item = &'a [Faulty]>) -> BTreeSet<PackageName> {
    lists.into_iter().flatten().map(|faulty| faulty.name.clone()).collect()
}

fn line(packages: &[Faulty], one: &str, several: &str, verbose: bool) -> String {
    let said = match packages.len() {
        1 => format!("1 package {one}"),
        count => format!("{count} packages {several}"),
    };
    let names: Vec<&str> = packages.iter().map(|faulty| faulty.name.as_str()).collect();
    match (verbose, names.len() <= NAMED) {
        (true, _) => format!("{said}: {}\n", names.join(", ")),
        (false, true) => format!("{said}: {} (-v says why)\n", names.join(", ")),
        (false, false) => format!("{said} (-v names them)\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_are_named_and_many_are_counted() {
        let said = |count: usize, verbose| {
            let faulty = |at| Faulty { name: PackageName::new(&format!("p{at}"), "build.yml"), problems: Vec::new() };
            line(&(0..count).map(faulty).collect::<Vec<_>>(), "is wrong", "are wrong", verbose)
        };
        assert_eq!(said(1, false), "1 package is wrong: p0 (-v says why)\n");
        assert_eq!(said(2, true), "2 packages are wrong: p0, p1\n");
        assert_eq!(said(9, false), "9 packages are wrong (-v names them)\n");
        assert!(said(9, true).ends_with(" p7, p8\n"));
    }
}
