//! Where an API that calls itself OpenAI's differs. It owns the fields to rename or leave out for a kind of
//! backend; it refuses to know dialects (`wire` does) or policy.

use rule_table::BackendKind;
use wire::{FieldEdit, FieldOperation};

/// What one request to one kind of backend needs besides the usual.
pub(super) struct Quirks {
    removed: Vec<Vec<String>>,
    defaults: Vec<(Vec<String>, String)>,
}

impl Quirks {
    /// Mistral's API refuses fields that it does not know, and knows only the older name of the output's
    /// ceiling.
    pub(super) fn of(kind: BackendKind, max_output_tokens: Option<u64>) -> Self {
        let field = |name: &str| vec![name.to_owned()];
        if kind != BackendKind::Mistral {
            return Self { removed: Vec::new(), defaults: Vec::new() };
        }
        let ceiling = max_output_tokens.map(|tokens| (field("max_tokens"), tokens.to_string()));
        Self {
            removed: ["max_completion_tokens", "stream_options", "user"].map(field).to_vec(),
            defaults: ceiling.into_iter().collect(),
        }
    }

    /// As edits, in order.
    pub(super) fn edits(&self) -> Vec<FieldEdit<'_>> {
        let removed = self.removed.iter().map(|path| FieldEdit { path, operation: FieldOperation::Remove });
        let defaults = self
            .defaults
            .iter()
            .map(|(path, value)| FieldEdit { path, operation: FieldOperation::Default(value) });
        removed.chain(defaults).collect()
    }
}
