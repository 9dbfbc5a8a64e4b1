//! Text put together from pieces of a file, which knows of each byte where it stands there.
//!
//! An instruction loses its continuations, and a flag its quotes, before it can be read; what is found in the rest must
//! still point into the file. Ranges into the text are turned into ranges of the file by [`Text::span`].

use std::ops::Range;

/// Characters of a file, some of which were left out between them.
#[derive(Debug, Clone, Default)]
pub(super) struct Text {
    characters: String,
    /// Where a run of characters that stand together begins: here, and in the file. Sorted, the first at 0.
    runs: Vec<(usize, usize)>,
}

impl Text {
    /// Adds what stands at `at` in the file.
    pub(super) fn push(&mut self, characters: &str, at: usize) {
        if characters.is_empty() {
            return;
        }
        let here = self.characters.len();
        if self.runs.last().is_none_or(|&(start, source)| source + (here - start) != at) {
            self.runs.push((here, at));
        }
        self.characters.push_str(characters);
    }

    /// Adds what stands at a range of another text.
    pub(super) fn push_from(&mut self, other: &Self, range: Range<usize>) {
        for (index, character) in other.characters[range.clone()].char_indices() {
            let at = other.position(range.start + index);
            self.push(character.encode_utf8(&mut [0; 4]), at);
        }
    }

    /// The characters.
    pub(super) fn as_str(&self) -> &str {
        &self.characters
    }

    /// The range of the file from the first to the last character of a range, with all that was left out between.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.position(range.start);
        let last = self.characters[range.clone()].char_indices().next_back();
        last.map_or(start..start, |(index, character)| start..self.position(range.start + index) + character.len_utf8())
    }

    /// Where a byte stands in the file; for the end of the text, the end of its last character.
    fn position(&self, index: usize) -> usize {
        let run = self.runs.partition_point(|&(start, _)| start <= index);
        run.checked_sub(1).map_or(0, |run| self.runs[run].1 + (index - self.runs[run].0))
    }
}

/// The range without white space at its ends.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let slice = &text[range.clone()];
    let start = range.start + (slice.len() - slice.trim_start().len());
    let end = start + slice.trim().len();
    start..end
}
