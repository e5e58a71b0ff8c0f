//! Stage 7: the request a backend gets. It owns path, headers and body per kind of backend and the edits
//! that policy asks for; it refuses to forward anything of the caller's head but a few named headers, so
//! no framing, key or hop-by-hop header can pass.

mod headers;
mod path;
mod quirks;

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use rule_table::{
    Backend, BackendKind, BodyEdit, BodyOperation, Deployment, DeploymentId, HeaderEdits, Rewrite,
};
use vocabulary::{Operation, Reason};
use wire::translate::{self, RequestOptions, ThinkingStyle, Untranslatable};
use wire::{FieldEdit, FieldOperation, Layout};

pub use headers::{Presentable, credential_header};
pub use path::{authority, probe};

use crate::ceiling::{ceiling_field, ceiling_fields};
use crate::dialects::{format, spoken};
use crate::rewrite::quirks::Quirks;
use crate::{Exchange, Refusal};

/// Output tokens asked for where the backend's dialect demands a bound and neither the caller nor the
/// manifest names one.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// A request ready to send.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// Path and query.
    pub path_and_query: String,
    /// Complete headers, `Host` and exact `Content-Length` included.
    pub headers: HeaderMap,
    /// Complete body.
    pub body: Bytes,
}

/// What the edge brings to the rewriting of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// The caller's body.
    pub body: &'a Bytes,
    /// The caller's headers; few of them pass.
    pub caller: &'a HeaderMap,
    /// The header that carries the backend's credential.
    pub credential: Option<&'a Presentable>,
    /// Trace context to forward, where the backend is to have it.
    pub traceparent: Option<&'a str>,
}

impl Exchange {
    /// Builds the request for the attempt under way.
    ///
    /// # Errors
    /// [`Reason::Untranslatable`] when the backend's dialect has no place for part of the request;
    /// [`Reason::Internal`] when the stages before have not run.
    pub fn rewrite(&mut self, sending: &Sending<'_>) -> Result<UpstreamRequest, Refusal> {
        let gate = std::sync::Arc::clone(&self.gate);
        let internal = || Refusal::new(Reason::Internal, "a stage ran out of order");
        let facts = self.facts.as_ref().ok_or_else(internal)?;
        let attempt = self.attempts.last().ok_or_else(internal)?;
        let deployment = gate.deployment(attempt.deployment).ok_or_else(internal)?;
        let backend = gate.policy().backends.get(deployment.backend as usize).ok_or_else(internal)?;
        let serves_as = backend.kind.serves_as(facts.operation).ok_or_else(internal)?;
        let (body, lost) = self.body(sending.body, backend, deployment, serves_as)?;
        let mut headers = headers::build(&headers::Build {
            backend,
            serves_as,
            stream: facts.stream,
            length: body.len(),
            request_id: &self.request_id,
            sending,
        })?;
        for edits in self.rewrites(backend).map(|rewrite| &rewrite.request_headers) {
            apply_header_edits(edits, &mut headers);
        }
        let path_and_query = path::path(backend, deployment, serves_as);
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.serves_as = Some(serves_as);
        }
        self.lost_fields = lost;
        Ok(UpstreamRequest { path_and_query, headers, body })
    }

    /// The caller's body in the dialect and with the names of the chosen backend.
    fn body(
        &self,
        body: &Bytes,
        backend: &Backend,
        deployment: &Deployment,
        serves_as: Operation,
    ) -> Result<(Bytes, Vec<&'static str>), Refusal> {
        let internal = || Refusal::new(Reason::Internal, "a body that parsed could not be rewritten");
        let facts = self.facts.as_ref().ok_or_else(internal)?;
        let asks_usage = facts.stream && (!facts.include_usage || serves_as != facts.operation);
        let (body, layout, lost) = match (spoken(serves_as), format(facts.operation)) {
            (Some(spoken), Some(asked)) if serves_as != facts.operation => {
                let options = RequestOptions {
                    model: &deployment.upstream_name,
                    default_max_tokens: self
                        .ceiling_for(deployment)
                        .or(deployment.max_output)
                        .unwrap_or(DEFAULT_MAX_TOKENS),
                    include_usage: asks_usage && backend.kind != BackendKind::Mistral,
                    thinking: ThinkingStyle::default(),
                };
                let request = translate::request(asked, spoken, body, &options).map_err(untranslatable)?;
                let layout = Layout::of(serves_as, &request.body).map_err(|_| internal())?;
                (request.body, Cow::Owned(layout), request.lost)
            }
            _ => (body.clone(), Cow::Borrowed(self.layout.as_ref().ok_or_else(internal)?), Vec::new()),
        };
        let prefixes: Vec<&str> =
            self.rewrites(backend).filter_map(|rewrite| rewrite.system_prefix.as_deref()).collect();
        let prefix = (!prefixes.is_empty()).then(|| prefixes.join("\n\n"));
        let quirks = Quirks::of(backend.kind, facts.max_output_tokens);
        let mut fields = quirks.edits();
        fields.extend(self.field_edits(backend));
        let ceilings = self.ceilings(deployment, backend, serves_as);
        // Last, so that no other edit asks for more than a hard limit holds room for.
        fields.extend(ceilings.iter().flat_map(Ceiling::edits));
        let edits = wire::Edits {
            model: (facts.model != deployment.upstream_name).then_some(deployment.upstream_name.as_str()),
            // Mistral's API counts usage unasked and refuses the field.
            include_usage: asks_usage && backend.kind != BackendKind::Mistral,
            fields: &fields,
            system_prefix: prefix.as_deref(),
        };
        let body = layout.apply(&body, &edits).map_err(|_| internal())?;
        Ok((body, lost))
    }

    /// What a hard limit lets `deployment` be asked for at most.
    fn ceilings(&self, deployment: &Deployment, backend: &Backend, serves_as: Operation) -> Vec<Ceiling> {
        let most = self.guard.as_ref().and_then(|guard| guard.most_tokens);
        let clamps = most.into_iter().flat_map(|most| {
            ceiling_fields(serves_as).iter().map(move |name| Ceiling::new(name, most, false))
        });
        let Some(tokens) = self.ceiling_for(deployment) else { return clamps.collect() };
        let field = ceiling_field(backend.kind, serves_as);
        let mut ceilings: Vec<Ceiling> = ceiling_fields(serves_as)
            .iter()
            .map(|name| Ceiling::new(name, tokens, field == Some(*name)))
            .chain(clamps)
            .collect();
        if let (Operation::Chat, Some(facts)) = (serves_as, self.facts.as_ref()) {
            ceilings.push(Ceiling::new("n", facts.choices, false));
        }
        ceilings
    }

    /// The edits of single fields, in the order in which they apply.
    fn field_edits<'a>(&'a self, backend: &'a Backend) -> Vec<FieldEdit<'a>> {
        let edit = |edit: &'a BodyEdit| FieldEdit {
            path: &edit.field,
            operation: match &edit.operation {
                BodyOperation::Set(value) => FieldOperation::Set(value),
                BodyOperation::Default(value) => FieldOperation::Default(value),
                BodyOperation::Remove => FieldOperation::Remove,
                BodyOperation::Clamp { min, max } => {
                    FieldOperation::Clamp { min: min.as_deref(), max: max.as_deref() }
                }
            },
        };
        self.rewrites(backend).flat_map(|rewrite| &rewrite.body).map(edit).collect()
    }

    /// The path and query of a piped request at `backend`, if they differ from `path`.
    #[must_use]
    pub fn piped_path(&self, backend: &Backend, deployment: DeploymentId, path: &str) -> Option<String> {
        let rewritten = self.rewrites(backend).filter_map(|rewrite| rewrite.path.as_ref()).fold(
            path.to_owned(),
            |path, rewrite| match path.strip_prefix(&rewrite.prefix) {
                Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => {
                    let joined = format!("{}{rest}", rewrite.replacement);
                    if joined.starts_with('/') { joined } else { format!("/{joined}") }
                }
                _ => path,
            },
        );
        let deployment = self.gate.deployment(deployment)?;
        let there = path::piped(backend, deployment, &rewritten);
        (there != path).then_some(there)
    }

    /// The edits of requests on their way to `backend`: the route's, then the backend's.
    pub fn rewrites<'a>(&'a self, backend: &'a Backend) -> impl DoubleEndedIterator<Item = &'a Rewrite> {
        let route = self.route().map(|route| &*route.rewrite);
        route.into_iter().chain([&backend.rewrite]).filter(|rewrite| !rewrite.is_empty())
    }

    /// The edits of the answer's headers, in order: the backend's, then the route's.
    pub fn answer_edits(&self) -> impl Iterator<Item = &HeaderEdits> {
        let deployment = self.attempts.last().and_then(|attempt| self.gate.deployment(attempt.deployment));
        let backend = deployment
            .and_then(|deployment| self.gate.policy().backends.get(deployment.backend as usize))
            .map(|backend| &backend.rewrite.response_headers);
        let route = self.route().map(|route| &route.rewrite.response_headers);
        backend.into_iter().chain(route).filter(|edits| !edits.is_empty())
    }
}

/// The most that a field of a body may say.
struct Ceiling {
    path: Vec<String>,
    most: String,
    /// Whether it is said where the caller says nothing.
    stated: bool,
}

impl Ceiling {
    fn new(field: &str, most: u64, stated: bool) -> Self {
        Self { path: vec![field.to_owned()], most: most.to_string(), stated }
    }

    fn edits(&self) -> impl Iterator<Item = FieldEdit<'_>> {
        let stated = self.stated.then_some(FieldOperation::Default(&self.most));
        let bounded = FieldOperation::Clamp { min: None, max: Some(&self.most) };
        stated.into_iter().chain([bounded]).map(|operation| FieldEdit { path: &self.path, operation })
    }
}

fn untranslatable(error: Untranslatable) -> Refusal {
    Refusal::new(Reason::Untranslatable, error.to_string())
}

/// Applies edits to a header map. Names and values have been checked by the compiler; one that is none
/// after all changes nothing.
pub fn apply_header_edits(edits: &HeaderEdits, headers: &mut HeaderMap) {
    for name in &edits.remove {
        headers.remove(name.as_str());
    }
    for (name, value) in &edits.set {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
}
