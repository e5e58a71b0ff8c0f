//! A tool server of the Model Context Protocol over streamable HTTP. It owns sessions, two tools and both
//! forms of an answer; it refuses to speak unasked: there is no stream from the server.
//!
//! After the protocol's revision 2025-06-18. An answer is one JSON object; it is a stream of events when
//! the caller wants to hear of progress (`_meta.progressToken`), or says `x-sim-mcp: sse`.

use std::collections::BTreeSet;

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use super::asked::{Asked, Said};
use super::errors::Complaint;
use crate::tokens;

const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];

/// Sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    begun: u64,
    open: BTreeSet<String>,
}

impl Sessions {
    fn begin(&mut self) -> String {
        self.begun += 1;
        let id = format!("mcp-{:08x}", self.begun);
        self.open.insert(id.clone());
        id
    }

    /// Ends a session; says whether there was one.
    pub(super) fn end(&mut self, headers: &HeaderMap) -> Result<(), Complaint> {
        let id = session(headers).ok_or_else(|| Complaint::bad_request("Mcp-Session-Id is missing."))?;
        if self.open.remove(id) { Ok(()) } else { Err(Complaint::not_found("There is no such session.")) }
    }
}

/// What a message gets.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing: it was a notification, or an answer.
    Accepted,
    /// An answer.
    Answer(Box<Asked>),
}

fn session(headers: &HeaderMap) -> Option<&str> {
    headers.get("mcp-session-id").and_then(|value| value.to_str().ok())
}

/// Reads a message and answers it.
pub(super) fn post(
    sessions: &mut Sessions,
    model: String,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Reply, Complaint> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accept = text("accept");
    let takes = |kind: &str| accept.contains(kind) || accept.contains("*/*");
    if !takes("application/json") || !takes("text/event-stream") {
        let message = "The client must accept both application/json and text/event-stream.";
        return Err(Complaint::new(StatusCode::NOT_ACCEPTABLE, message));
    }
    let version = text("mcp-protocol-version");
    if !version.is_empty() && !VERSIONS.contains(&version) {
        return Err(Complaint::bad_request(format!("Protocol version {version} is not spoken here.")));
    }
    let message: Value = serde_json::from_slice(body)
        .map_err(|error| Complaint::bad_request(format!("The message is not valid JSON: {error}")))?;
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default();
    if message.get("jsonrpc") != Some(&json!("2.0")) {
        return Err(Complaint::bad_request("The message is not JSON-RPC 2.0; batches are not taken."));
    }
    let mut head = Vec::new();
    if method == "initialize" {
        head.push(("mcp-session-id", sessions.begin()));
    } else {
        let id = session(headers).ok_or_else(|| Complaint::bad_request("Mcp-Session-Id is missing."))?;
        if !sessions.open.contains(id) {
            return Err(Complaint::not_found("There is no such session."));
        }
    }
    let Some(id) = message.get("id").filter(|_| !method.is_empty()) else { return Ok(Reply::Accepted) };
    let params = message.get("params").unwrap_or(&Value::Null);
    let answer = match result(method, params) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err((code, message)) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    };
    let progress = params.pointer("/_meta/progressToken");
    let said = if progress.is_some() || text("x-sim-mcp") == "sse" {
        let told = progress.map(|token| {
            let params = json!({"progressToken": token, "progress": 1, "total": 1});
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        });
        let events: String = told
            .into_iter()
            .chain([answer])
            .map(|event| format!("event: message\ndata: {event}\n\n"))
            .collect();
        Said::new("text/event-stream", Bytes::from(events))
    } else {
        Said::new("application/json", Bytes::from(answer.to_string()))
    };
    let words = tokens::count(&params.to_string());
    Ok(Reply::Answer(Box::new(Asked::said(model, words, headers, Said { head, ..said })?)))
}

/// The result of a call, or JSON-RPC's code and message of its error.
fn result(method: &str, params: &Value) -> Result<Value, (i32, String)> {
    match method {
        "initialize" => {
            let asked = params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
            let version = VERSIONS.into_iter().find(|version| *version == asked).unwrap_or("2025-06-18");
            Ok(json!({
                "protocolVersion": version,
                "capabilities": {"tools": {"listChanged": false}},
                "serverInfo": {"name": "model-sim", "version": env!("CARGO_PKG_VERSION")},
            }))
        }
        "ping" => Ok(json!({})),
        "tools/list" => {
            let schema = |name: &str, kind: &str| json!({"type": "object", "properties": {name: {"type": kind}}, "required": [name]});
            Ok(json!({"tools": [
                {"name": "echo", "description": "Says what it is told.", "inputSchema": schema("text", "string")},
                {"name": "level", "description": "The level at a gate.", "inputSchema": schema("gate", "integer")},
            ]}))
        }
        "tools/call" => {
            let argument = |name: &str| params.get("arguments").and_then(|arguments| arguments.get(name));
            let (text, is_error) = match params.get("name").and_then(Value::as_str) {
                Some("echo") => match argument("text").and_then(Value::as_str) {
                    Some(text) => (text.to_owned(), false),
                    None => ("`text` is missing".to_owned(), true),
                },
                Some("level") => match argument("gate").and_then(Value::as_u64) {
                    Some(gate) => (format!("{} cm", 100 + gate % 50), false),
                    None => ("`gate` is missing".to_owned(), true),
                },
                name => return Err((-32_602, format!("Unknown tool: {}", name.unwrap_or_default()))),
            };
            Ok(json!({"content": [{"type": "text", "text": text}], "isError": is_error}))
        }
        _ => Err((-32_601, format!("Method not found: {method}"))),
    }
}
