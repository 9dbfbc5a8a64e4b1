//! The variables that `FROM` may use: the platform variables and the global ARGs.

use super::expand::{Expansion, HOLE, Value, Variables, expand, is_literal, literal};
use super::parse::{Parsed, Token};
use super::{Mistake, Scope};
use crate::problem::SourceFile;

/// The platform variables, overridden by build args of their names, and then each global ARG in turn: the build arg of
/// its name, else its default, else what the name already stands for. An ARG whose default cannot be expanded adds a
/// mistake and has no value.
pub(super) fn variables(
    source: &SourceFile,
    parsed: &Parsed,
    scope: &Scope<'_>,
    mistakes: &mut Vec<Mistake>,
) -> Variables {
    let mut variables = Variables::new();
    let from_outside = |name: &str| {
        let mut expansion = literal(scope.build_args.get(name)?);
        expansion.through.insert(name.to_owned());
        Some(Value { expansion, origin: None })
    };
    for (prefix, platform) in [("TARGET", scope.target), ("BUILD", scope.build)] {
        for (suffix, text) in [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os().to_owned()),
            ("ARCH", platform.architecture().to_owned()),
            ("VARIANT", platform.variant().unwrap_or_default().to_owned()),
        ] {
            let expansion = Expansion { text, shape: HOLE.to_string(), ..Expansion::default() };
            let name = format!("{prefix}{suffix}");
            let value = from_outside(&name).unwrap_or(Value { expansion, origin: None });
            variables.insert(name, value);
        }
    }
    for arg in &parsed.args {
        let value = match (from_outside(&arg.name), &arg.default) {
            (Some(value), _) => value,
            (None, Some(default)) => match default_value(&arg.name, default, parsed.escape, &variables) {
                Ok(value) => value,
                Err(reason) => {
                    let why = format!("`ARG {}` on line {}: {reason}", arg.name, source.line(arg.span.start));
                    mistakes.push(Mistake { why, span: arg.span.clone() });
                    variables.remove(&arg.name);
                    continue;
                }
            },
            (None, None) => continue,
        };
        variables.insert(arg.name.clone(), value);
    }
    variables
}

fn default_value(name: &str, default: &Token, escape: char, variables: &Variables) -> Result<Value, String> {
    let mut expansion = expand(&default.raw, escape, variables)?;
    expansion.through.insert(name.to_owned());
    let origin = if is_literal(default.written(), escape) {
        Some(default.span.clone()).filter(|span| !span.is_empty())
    } else {
        default.variable().and_then(|name| variables.get(name)?.origin.clone())
    };
    Ok(Value { expansion, origin })
}
