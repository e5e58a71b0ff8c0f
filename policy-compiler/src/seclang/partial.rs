//! What can be known of a rule set before any request: constants of its setup, gates that never open, rules that
//! always or never hold. It owns that it changes nothing a request can see; in doubt a rule stays as it is.

use waf::program::Program;

/// Computes what can be known.
pub(super) fn evaluate(program: &mut Program) {
    let _ = program;
}
