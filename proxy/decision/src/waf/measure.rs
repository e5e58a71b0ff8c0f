//! How much a request holds, from its fields. It owns which paths count as what; limits are crate `waf`'s.

use vocabulary::RequestFacts;
use waf::fields::{Class, Field, Fields};
use waf::shape::Measures;

/// Measures a request that was read strictly.
pub(super) fn of_fields(fields: &Fields, facts: Option<&RequestFacts>, bytes: usize) -> Measures {
    let mut measures = Measures { messages: fields.roles.len() as u64, ..of_facts(facts, bytes) };
    (measures.depth, measures.keys) = nesting(&fields.canonical);
    let mut seen = Seen::default();
    for field in &fields.fields {
        let length = field.value.len() as u64;
        let steps = field.path.strip_prefix("json.").unwrap_or(&field.path);
        if matches!(field.class, Class::Prose | Class::Code) {
            measures.longest_text = measures.longest_text.max(length);
            measures.all_text = measures.all_text.saturating_add(length);
        }
        let first = steps.split('.').next().unwrap_or_default();
        match first {
            "tools" | "functions" => seen.tool.count(steps, 2, &mut measures.tools),
            "stop" | "stop_sequences" => measures.stop_sequences = measures.stop_sequences.saturating_add(1),
            "input" if fields.roles.is_empty() => seen.input.count(steps, 2, &mut measures.inputs),
            _ => of_part(field, steps, &mut measures),
        }
    }
    measures
}

/// What is known of any request to a model.
pub(super) fn of_facts(facts: Option<&RequestFacts>, bytes: usize) -> Measures {
    Measures {
        bytes: bytes as u64,
        choices: facts.map_or(0, |facts| facts.choices),
        max_tokens: facts.and_then(|facts| facts.max_output_tokens).unwrap_or_default(),
        ..Measures::default()
    }
}

/// Counts elements of a list by the paths of what they hold, which come one after the other.
#[derive(Default)]
struct Elements(String);

#[derive(Default)]
struct Seen {
    tool: Elements,
    input: Elements,
}

impl Elements {
    fn count(&mut self, steps: &str, deep: usize, total: &mut u64) {
        let end = steps.match_indices('.').nth(deep.saturating_sub(1)).map_or(steps.len(), |(at, _)| at);
        let element = steps.get(..end).unwrap_or(steps);
        if self.0 != element {
            element.clone_into(&mut self.0);
            *total = total.saturating_add(1);
        }
    }
}

/// Parts of a conversation.
fn of_part(field: &Field, steps: &str, measures: &mut Measures) {
    let ends = |ends: &[&str]| ends.iter().any(|end| steps.ends_with(end));
    let count = |total: &mut u64| *total = total.saturating_add(1);
    if ends(&[".image_url.url", ".image_url"]) || (ends(&[".source.url", ".source.data"])) {
        count(&mut measures.images);
        if let Some((_, data)) = field.value.split_once(";base64,").or(Some(("", field.value.as_str()))) {
            let decoded = (data.len() as u64).saturating_mul(3) / 4;
            measures.image_bytes = measures.image_bytes.max(decoded);
        }
    } else if ends(&[".input_audio.data", ".file_data", ".file_id", ".file_url"]) {
        count(&mut measures.files);
    } else if ends(&[".function.name", ".tool_call_id", ".tool_use_id", ".call_id"]) {
        count(&mut measures.tool_calls);
    }
}

/// How deep values are nested, and how many keys there are. The text is canonical: no white space.
fn nesting(canonical: &[u8]) -> (u64, u64) {
    let (mut depth, mut deepest, mut keys) = (0u64, 0u64, 0u64);
    let (mut quoted, mut escaped) = (false, false);
    for byte in canonical {
        if quoted {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => quoted = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b':' => keys = keys.saturating_add(1),
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (deepest, keys)
}
