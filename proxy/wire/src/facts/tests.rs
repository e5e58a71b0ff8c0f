mod completions;
mod messages;
mod responses;

use proptest::prelude::*;
use serde_json::{Value, json};
use vocabulary::Reason;

use super::*;

fn read(operation: Operation, body: &Value) -> RequestFacts {
    extract(operation, body.to_string().as_bytes()).unwrap()
}

fn fault(operation: Operation, body: &str) -> BodyFault {
    extract(operation, body.as_bytes()).unwrap_err()
}

/// The smallest body the operation takes.
fn smallest(operation: Operation) -> Value {
    match operation {
        Operation::Chat => json!({"model": "m", "messages": [{}]}),
        Operation::TextCompletion => json!({"model": "m", "prompt": "p"}),
        Operation::Embeddings | Operation::Responses => json!({"model": "m", "input": "p"}),
        Operation::Messages => {
            json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "p"}]})
        }
        Operation::CountTokens => json!({"model": "m", "messages": [{"role": "user", "content": "p"}]}),
        Operation::ListModels => Value::Null,
    }
}

/// Every operation that has a body.
fn operations() -> impl Iterator<Item = Operation> {
    Operation::ALL.into_iter().filter(|operation| *operation != Operation::ListModels)
}

#[test]
fn each_operation_takes_its_smallest_body_and_refuses_one_without_any_of_its_fields() {
    for operation in operations() {
        let body = smallest(operation);
        assert_eq!(read(operation, &body).operation, operation);
        for field in body.as_object().unwrap().keys() {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(field);
            let found = fault(operation, &without.to_string());
            assert_eq!((found.reason(), found.param()), (Reason::InvalidField, Some(field.as_str())));
        }
    }
}

#[test]
fn a_key_twice_is_refused_in_every_operation() {
    for operation in operations() {
        let body = smallest(operation).to_string();
        let twice = format!("{},\"model\":\"n\"}}", body.strip_suffix('}').unwrap());
        assert_eq!(fault(operation, &twice).reason(), Reason::InvalidJson, "{operation:?}");
    }
}

#[test]
fn a_layout_from_the_walk_is_that_of_a_walk_for_it_alone() {
    for operation in operations() {
        let mut body = smallest(operation);
        body["stream_options"] = json!({"other": 1, "include_usage": false});
        let body = serde_json::to_vec_pretty(&body).unwrap();
        let (_, layout) = extract_with_layout(operation, &body).unwrap();
        let edits = crate::Edits { model: Some("other"), include_usage: true, ..crate::Edits::default() };
        let own = crate::Layout::of(operation, &body).unwrap();
        let body = body.into();
        assert_eq!(layout.apply(&body, &edits), own.apply(&body, &edits), "{operation:?}");
    }
}

proptest! {
    #[test]
    fn a_fault_never_quotes_the_body(
        operation in prop::sample::select(operations().collect::<Vec<_>>()),
        secret in "[a-z]{12}",
        which in any::<prop::sample::Index>(),
    ) {
        let mut body = smallest(operation);
        body[*which.get(fields::read_by(operation))] = json!({&secret: &secret});
        if let Err(fault) = extract(operation, body.to_string().as_bytes()) {
            let shown = format!("{fault} {fault:?}");
            prop_assert!(!shown.contains(&secret));
        }
    }
}
