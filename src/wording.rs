//! How texts for people count things and stand in columns.

/// More names than this are counted.
const NAMES: usize = 5;

/// `1 package`, `2 packages`, `2 dependencies`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// Names in a sentence, each quoted: all of a few, else the first and how many more.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        ..=NAMES => names.join(", "),
        count => names[..NAMES - 1].join(", ") + &and_more(count - (NAMES - 1)),
    }
}

/// ` and 2 more`, after what is named of several; nothing where that is all.
pub(crate) fn and_more(further: usize) -> String {
    if further > 0 { format!(" and {further} more") } else { String::new() }
}

/// `3,412`
pub(crate) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One line for each row, its cells in columns two blanks apart and as wide as their widest, without blanks at its end.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> impl Iterator<Item = String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..N).map(width).collect();
    rows.iter().map(move |row| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_and_several_are_plural() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "pin")), ["0 pins", "1 pin", "2 pins"]);
        assert_eq!([1, 3].map(|count| counted(count, "dependency")), ["1 dependency", "3 dependencies"]);
    }

    #[test]
    fn a_few_names_are_listed_and_of_many_the_first() {
        let names = ["a", "b", "c", "d", "e", "f"];
        assert_eq!(listed(names[..1].iter().copied()), "`a`");
        assert_eq!(listed(names[..5].iter().copied()), "`a`, `b`, `c`, `d`, `e`");
        assert_eq!(listed(names.into_iter()), "`a`, `b`, `c`, `d` and 2 more");
    }

    #[test]
    fn where_all_is_named_there_is_no_more() {
        assert_eq!([0, 1, 2].map(and_more), ["", " and 1 more", " and 2 more"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_with_text() {
        let rows = [["a", "bü", "c"], ["long", "", ""], ["", "x", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows).collect::<Vec<_>>(), ["a     bü  c", "long", "      x   y"]);
        assert_eq!(columns::<3>(&[]).count(), 0);
    }
}
