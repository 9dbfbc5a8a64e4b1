//! The patterns of `${X#…}`, `${X%…}` and `${X/…/…}`: `?` is one character, `*` any number of them.

/// A parsed pattern.
#[derive(Debug)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Piece {
    One,
    Any,
    Just(char),
}

impl Pattern {
    /// A backslash before `*`, `?` or itself makes it literal; before `/` and `}` it only keeps them from ending the
    /// pattern. Before anything else it is an error, which is described as part of a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            pieces.push(match character {
                '*' => Piece::Any,
                '?' => Piece::One,
                '\\' => match characters.next() {
                    Some(next @ ('*' | '?' | '\\' | '/' | '}')) => Piece::Just(next),
                    _ => return Err(format!("the pattern `{text}` has an escape of nothing special")),
                },
                other => Piece::Just(other),
            });
        }
        Ok(Self(pieces))
    }

    /// The text without the shortest, or else longest, prefix or suffix that matches.
    pub(super) fn trim(&self, text: &str, is_prefix: bool, longest: bool) -> String {
        let mut cuts: Vec<usize> = text.char_indices().map(|(index, _)| index).chain([text.len()]).collect();
        if is_prefix == longest {
            cuts.reverse();
        }
        let parts = cuts.into_iter().map(|cut| text.split_at(cut));
        let mut parts = parts.map(|(before, after)| if is_prefix { (before, after) } else { (after, before) });
        parts.find(|(cut, _)| self.matches(cut)).map_or(text, |(_, rest)| rest).to_owned()
    }

    /// The text with the first match, or all, replaced; of the matches at one place the longest.
    pub(super) fn replace(&self, text: &str, replacement: &str, all: bool) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
            if let Some(end) = ends.rev().find(|&end| end > 0 && self.matches(&rest[..end])) {
                out.push_str(replacement);
                rest = &rest[end..];
                if !all {
                    break;
                }
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        out + rest
    }

    /// Whether all of the text matches.
    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut piece) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.0.get(piece) {
                Some(Piece::Any) => {
                    retry = Some((at, piece));
                    piece += 1;
                }
                Some(Piece::One) => (at, piece) = (at + 1, piece + 1),
                Some(&Piece::Just(character)) if character == text[at] => (at, piece) = (at + 1, piece + 1),
                _ => {
                    let Some((from, any)) = retry else { return false };
                    retry = Some((from + 1, any));
                    (at, piece) = (from + 1, any + 1);
                }
            }
        }
        self.0[piece..].iter().all(|&piece| piece == Piece::Any)
    }
}
