//! What can be wrong with the text of a Dockerfile.

use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, NamedSource, SourceSpan};

use crate::problem::{Class, Fault, Problem, SourceFile, span};

/// Why a Dockerfile cannot be read.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum Error {
    /// Without a stage there is nothing to build.
    #[error("`{path}` has no `FROM`")]
    #[diagnostic(code(dockerfile::no_from), help("begin the image with `FROM scratch` or `FROM image:tag`"))]
    NoFrom {
        /// The file.
        path: String,
    },
    /// `FROM` with no, two or more than three words.
    #[error("`FROM` takes an image, or an image, `AS` and a name")]
    #[diagnostic(code(dockerfile::from), help("write `FROM image:tag` or `FROM image:tag AS name`"))]
    From {
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The instruction.
        #[label("this is neither")]
        at: SourceSpan,
    },
    /// `FROM` with a flag other than `--platform`.
    #[error("`FROM` has no flag `{flag}`")]
    #[diagnostic(code(dockerfile::flag), help("the only flag of `FROM` is `--platform=os/architecture`"))]
    Flag {
        /// As written.
        flag: String,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The flag.
        #[label("unknown flag")]
        at: SourceSpan,
    },
    /// A stage name that is not a letter followed by letters, digits, `-`, `_` and `.`.
    #[error("`{name}` cannot be the name of a stage")]
    #[diagnostic(
        code(dockerfile::stage_name),
        help("a name is a letter followed by letters, digits, `-`, `_` and `.`; variables are not expanded in it")
    )]
    StageName {
        /// As written.
        name: String,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The name.
        #[label("not a name")]
        at: SourceSpan,
    },
    /// An instruction other than `ARG` before the first `FROM`.
    #[error("`{instruction}` stands before the first `FROM`")]
    #[diagnostic(code(dockerfile::before_from), help("only `ARG` may stand before the first `FROM`"))]
    BeforeFrom {
        /// As written.
        instruction: String,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The instruction.
        #[label("there is no stage yet")]
        at: SourceSpan,
    },
    /// A word at the begin of a line that is no instruction.
    #[error("`{name}` is not an instruction")]
    #[diagnostic(code(dockerfile::instruction), help("{advice}"))]
    Instruction {
        /// As written.
        name: String,
        /// The nearest instruction, or what else to look at.
        advice: String,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The word.
        #[label("unknown instruction")]
        at: SourceSpan,
    },
    /// `ARG` without a name.
    #[error("`ARG` without a name")]
    #[diagnostic(code(dockerfile::arg), help("write `ARG NAME` or `ARG NAME=value`, without blanks around the `=`"))]
    Arg {
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The instruction, or the word of it.
        #[label("a name is missing here")]
        at: SourceSpan,
    },
    /// The file ends inside a heredoc.
    #[error("the heredoc `{delimiter}` does not end")]
    #[diagnostic(code(dockerfile::heredoc), help("close it with a line that is `{delimiter}` and nothing else"))]
    Heredoc {
        /// The word that would end it.
        delimiter: String,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The instruction it belongs to.
        #[label("begins in this instruction")]
        at: SourceSpan,
    },
    /// A parser directive that is repeated, or an `escape` that is neither `\` nor a backtick.
    #[error("the directive `{name}` {reason}")]
    #[diagnostic(
        code(dockerfile::directive),
        help("write each of `# syntax=`, `# escape=` and `# check=` at most once, with \\ or ` as the escape")
    )]
    Directive {
        /// In lower case.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
        /// The file.
        #[source_code]
        file: NamedSource<Arc<str>>,
        /// The line.
        #[label("here")]
        at: SourceSpan,
    },
}

impl Fault for Error {
    fn class(&self) -> Class {
        Class::Repository
    }
}

impl Error {
    pub(super) fn no_from(source: &SourceFile) -> Problem {
        Self::NoFrom { path: source.path.clone() }.into()
    }

    pub(super) fn from(source: &SourceFile, at: &Range<usize>) -> Problem {
        Self::From { file: source.named(), at: span(at) }.into()
    }

    pub(super) fn flag(source: &SourceFile, flag: &str, at: &Range<usize>) -> Problem {
        Self::Flag { flag: flag.to_owned(), file: source.named(), at: span(at) }.into()
    }

    pub(super) fn stage_name(source: &SourceFile, name: &str, at: &Range<usize>) -> Problem {
        Self::StageName { name: name.to_owned(), file: source.named(), at: span(at) }.into()
    }

    pub(super) fn before_from(source: &SourceFile, instruction: &str, at: &Range<usize>) -> Problem {
        Self::BeforeFrom { instruction: instruction.to_owned(), file: source.named(), at: span(at) }.into()
    }

    /// `advice` names the nearest of the known instructions, if one is near.
    pub(super) fn instruction(source: &SourceFile, name: &str, known: &[&str], at: &Range<usize>) -> Problem {
        let upper = name.to_uppercase();
        let near = known.iter().map(|known| (strsim::damerau_levenshtein(&upper, known), known)).min();
        let advice = match near {
            Some((distance, known)) if distance <= 2 => format!("did you mean `{known}`?"),
            _ => "if the line continues the one before, that one must end with the escape character".to_owned(),
        };
        Self::Instruction { name: name.to_owned(), advice, file: source.named(), at: span(at) }.into()
    }

    pub(super) fn arg(source: &SourceFile, at: &Range<usize>) -> Problem {
        Self::Arg { file: source.named(), at: span(at) }.into()
    }

    pub(super) fn heredoc(source: &SourceFile, delimiter: &str, at: &Range<usize>) -> Problem {
        Self::Heredoc { delimiter: delimiter.to_owned(), file: source.named(), at: span(at) }.into()
    }

    pub(super) fn directive(source: &SourceFile, name: &str, reason: &'static str, at: &Range<usize>) -> Problem {
        Self::Directive { name: name.to_owned(), reason, file: source.named(), at: span(at) }.into()
    }
}
