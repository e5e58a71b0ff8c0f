//! Edits of requests and answers, in the order in which they apply.

use rule_table::{BodyEdit, BodyOperation, HeaderEdits, PathRewrite, Rewrite};
use serde_json::Value;

use crate::manifest::{self, BodyField};
use crate::schema::sorted;

pub(super) fn rewrite(written: Option<&manifest::Rewrite>) -> Rewrite {
    let Some(manifest::Rewrite { request, response }) = written else { return Rewrite::default() };
    Rewrite {
        request_headers: headers(&request.headers),
        response_headers: headers(&response.headers),
        path: request.path.as_ref().map(|path| PathRewrite {
            prefix: path.prefix.trim_end_matches('/').to_owned(),
            replacement: path.replacement.trim_end_matches('/').to_owned(),
        }),
        body: body(&request.body),
        system_prefix: request.system_prefix.clone(),
    }
}

fn headers(written: &manifest::HeaderEdits) -> HeaderEdits {
    let mut set: Vec<_> =
        written.set.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    set.sort();
    let mut remove: Vec<_> = written.remove.iter().map(|name| name.to_ascii_lowercase()).collect();
    remove.sort();
    remove.dedup();
    HeaderEdits { set, remove }
}

fn body(written: &manifest::BodyEdits) -> Vec<BodyEdit> {
    let edit = |field: &str, operation| BodyEdit { field: BodyField::keys(field), operation };
    let mut removed: Vec<&String> = written.remove.iter().collect();
    removed.sort();
    removed.dedup();
    let remove = removed.into_iter().map(|field| edit(field, BodyOperation::Remove));
    let set = written.set.iter().map(|(field, value)| edit(field, BodyOperation::Set(json(value))));
    let default =
        written.default.iter().map(|(field, value)| edit(field, BodyOperation::Default(json(value))));
    let clamp = written.clamp.iter().map(|(field, bounds)| {
        let bound = |number: &Option<serde_json::Number>| number.as_ref().map(ToString::to_string);
        edit(field, BodyOperation::Clamp { min: bound(&bounds.min), max: bound(&bounds.max) })
    });
    remove.chain(set).chain(default).chain(clamp).collect()
}

/// One text for one value, whatever order it was written in.
fn json(value: &Value) -> String {
    sorted(value).to_string()
}
