//! Errors are for people: each must be renderable, with its spans inside its file.

use kitmake::problem::Problem;

/// Renders all of them.
pub fn all(problems: &[Problem]) {
    for problem in problems {
        let mut text = String::new();
        let handler = miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor());
        assert!(handler.render_report(&mut text, problem.diagnostic()).is_ok(), "{problem:?}");
        assert!(!text.contains("Failed to read contents"), "{text}");
    }
}
