//! Text with macros: `%{tx.anomaly_score}`. It owns how they are cut; it refuses to expand them.

use waf::program::{Macro, Piece, Text, Variable};

use super::fault::Wrong;
use super::lexer::bytes;

/// Cuts a text at its macros.
pub(super) fn text(written: &str) -> Result<Text, Wrong> {
    let mut pieces = Vec::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once("%{") {
        let Some((name, left)) = after.split_once('}') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Literal(bytes(before)));
        }
        pieces.push(Piece::Macro(variable(name)?));
        rest = left;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Literal(bytes(rest)));
    }
    Ok(Text(pieces))
}

fn variable(written: &str) -> Result<Macro, Wrong> {
    let cut = written.find(['.', ':']);
    let (name, of) = match cut.and_then(|at| written.split_at_checked(at)) {
        Some((name, rest)) => (name, rest.get(1..)),
        None => (written, None),
    };
    let known = Variable::ALL.iter().map(|one| one.name());
    let variable = Variable::named(name.trim()).ok_or_else(|| Wrong::unknown("variable", name, known))?;
    Ok(Macro { variable, name: of.map(|name| name.trim().to_ascii_lowercase()) })
}
