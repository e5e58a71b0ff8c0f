//! Names of spans and span events. It owns their spelling; the shape of the tree is `crate::spans`.

use vocabulary::Operation;

use crate::settled::Method;

/// Event on a CLIENT span: the first output-bearing event arrived.
pub const FIRST_CHUNK: &str = "gen_ai.first_chunk";

/// Name of the SERVER span: method and path template, or the method alone when no route matched.
#[must_use]
pub fn server(method: Method, route: Option<&str>) -> String {
    match route {
        Some(route) => format!("{} {route}", method.span_name()),
        None => method.span_name().to_owned(),
    }
}

/// Name of the CLIENT span of one attempt: operation and model, or the method for a piped request.
#[must_use]
pub fn client(method: Method, operation: Option<Operation>, model: Option<&str>) -> String {
    match (operation, model) {
        (Some(operation), Some(model)) => format!("{} {model}", operation.name()),
        (Some(operation), None) => operation.name().to_owned(),
        (None, _) => method.span_name().to_owned(),
    }
}
