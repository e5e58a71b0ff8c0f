//! Target lists: `ARGS|!ARGS:/^x/|&TX:score|XML:/*`. It owns how they are cut and named.

use waf::program::{Selection, Target, Variable};

use super::fault::Wrong;
use super::pattern;

/// What a rule looks at, and what it does not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) targets: Vec<Target>,
    pub(super) except: Vec<Target>,
}

/// Reads a list of targets. Commas separate them too.
pub(super) fn targets(written: &str) -> Result<Targets, Wrong> {
    let mut found = Targets::default();
    let mut rest = written.trim();
    while !rest.is_empty() {
        let (except, after) = match rest.strip_prefix('!') {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let (count, after) = match after.strip_prefix('&') {
            Some(after) => (true, after),
            None => (false, after),
        };
        let (target, left) = target(after, count)?;
        if except {
            found.except.push(target);
        } else {
            found.targets.push(target);
        }
        rest = left.trim_start_matches(['|', ',']).trim();
    }
    Ok(found)
}

fn target(text: &str, count: bool) -> Result<(Target, &str), Wrong> {
    let end = text.find(['|', ':', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let known = Variable::ALL.iter().map(|one| one.name());
    let variable = Variable::named(name.trim()).ok_or_else(|| Wrong::unknown("variable", name, known))?;
    let Some(selector) = rest.strip_prefix(':') else {
        return Ok((Target { variable, selection: Selection::All, count }, rest));
    };
    let (selection, rest) = selection(variable, selector)?;
    Ok((Target { variable, selection, count }, rest))
}

fn selection(variable: Variable, text: &str) -> Result<(Selection, &str), Wrong> {
    if variable == Variable::Xml {
        let end = text.find(['|', ',']).unwrap_or(text.len());
        let (path, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        return match path {
            "/*" | "//@*" => Ok((Selection::Name(path.to_owned()), rest)),
            _ => Err(Wrong::new(
                format!("XPath `{path}` is not supported"),
                "write `XML:/*` for all text or `XML://@*` for all attributes",
            )),
        };
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let end = unescaped(quoted, '\'').ok_or_else(|| open("'"))?;
        let (inside, rest) = quoted.split_at_checked(end).unwrap_or((quoted, ""));
        let rest = rest.get(1..).unwrap_or_default();
        let selection = match inside.strip_prefix('/').and_then(|inside| inside.strip_suffix('/')) {
            Some(expression) => Selection::Names(pattern::selector(expression)?),
            None => Selection::Name(inside.to_ascii_lowercase()),
        };
        return Ok((selection, rest));
    }
    if let Some(after) = text.strip_prefix('/') {
        let end = unescaped(after, '/').ok_or_else(|| open("/"))?;
        let (expression, rest) = after.split_at_checked(end).unwrap_or((after, ""));
        return Ok((Selection::Names(pattern::selector(expression)?), rest.get(1..).unwrap_or_default()));
    }
    let end = text.find(['|', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    if name.is_empty() {
        return Err(Wrong::new("a selector is empty", "name a key after `:`, or leave the `:` out"));
    }
    Ok((Selection::Name(name.to_ascii_lowercase()), rest))
}

fn open(what: &str) -> Wrong {
    Wrong::new(format!("a selector's `{what}` does not end"), format!("close it with `{what}`"))
}

/// Where the character stands without a backslash before it.
fn unescaped(text: &str, wanted: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        if char == '\\' {
            chars.next();
        } else if char == wanted {
            return Some(at);
        }
    }
    None
}
