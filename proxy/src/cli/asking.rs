//! Asking a running gateway's admin API from the command line. It owns the address, the token, patience and
//! what a refusal looks like; it refuses to know what is asked.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, ETAG};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::Full;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::upstream::client::{Client, Unanswered};

/// Longer than compiling any manifest takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// No answer is longer.
const LONGEST: usize = 64 << 20;

/// How to reach the gateway, and how to write what it says.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Asking {
    /// Base URL of the admin API
    #[arg(
        long,
        env = "SLUICEGATE_ADMIN",
        default_value = "http://127.0.0.1:9901",
        value_name = "URL",
        global = true
    )]
    admin: String,
    /// File with the admin token; the environment variable SLUICEGATE_ADMIN_TOKEN holds the token itself
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// How to write the answer
    #[arg(long, value_enum, default_value_t, global = true)]
    pub(super) output: Output,
}

/// What to ask.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) path: &'a str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What came back with a success.
pub(super) struct Reply {
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

impl<'a> Question<'a> {
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn json(method: Method, path: &'a str, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_default();
        Self { method, path, headers: vec![("content-type", "application/json".to_owned())], body }
    }
}

impl Asking {
    /// Asks, and shows the answer: as it is for programs, rendered for people. Gives the exit code.
    pub(super) fn show<T: DeserializeOwned>(
        &self,
        question: Question<'_>,
        render: impl FnOnce(&T) -> String,
    ) -> u8 {
        let reply = match self.ask(question) {
            Ok(reply) => reply,
            Err(code) => return code,
        };
        if self.output == Output::Json {
            say(&String::from_utf8_lossy(&reply.body));
            return 0;
        }
        match serde_json::from_slice(&reply.body) {
            Ok(value) => {
                say(&render(&value));
                0
            }
            Err(error) => {
                complain(&format!(
                    "sluicegate: the gateway's answer is not what this version expects: {error}\n"
                ));
                FAILURE
            }
        }
    }

    /// Asks once. What goes wrong has been said when this returns.
    ///
    /// # Errors
    /// The exit code: 2 when the gateway refuses, 1 when it cannot be asked.
    pub(super) fn ask(&self, question: Question<'_>) -> Result<Reply, u8> {
        let token = self.token()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            complain(&format!("sluicegate: the runtime cannot start: {error}\n"));
            FAILURE
        })?;
        let asked = runtime.block_on(self.exchange(question, token));
        let (status, reply) = asked.map_err(|what| {
            complain(&format!("sluicegate: {what}\n"));
            FAILURE
        })?;
        if status.is_success() {
            return Ok(reply);
        }
        complain(&refusal(status, &reply.body));
        Err(if status.is_server_error() { FAILURE } else { BAD_INPUT })
    }

    async fn exchange(
        &self,
        question: Question<'_>,
        token: Option<String>,
    ) -> Result<(StatusCode, Reply), String> {
        let uri = format!("{}{}", self.admin.trim_end_matches('/'), question.path);
        let mut request = Request::builder().method(question.method).uri(&uri);
        for (name, value) in question.headers {
            request = request.header(name, value);
        }
        let mut request = request
            .body(Full::new(Bytes::from(question.body)))
            .map_err(|error| format!("`{uri}` cannot be asked: {error}"))?;
        if let Some(token) = token {
            let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
                .map_err(|_| "the admin token holds characters that no header can".to_owned())?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let client = Client::new().ok_or("there is no TLS to ask with")?;
        match client.ask(request, PATIENCE, LONGEST).await {
            Ok(answer) => {
                let etag = answer.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
                let status = StatusCode::from_u16(answer.status).map_err(|error| error.to_string())?;
                Ok((status, Reply { etag, body: answer.body }))
            }
            Err(Unanswered::Unreached(why)) => Err(format!(
                "the admin API at {} cannot be asked: {why}; name it with --admin or SLUICEGATE_ADMIN",
                self.admin
            )),
            Err(Unanswered::TooLong) => Err(format!("the answer of {} broke off", self.admin)),
            Err(Unanswered::Timeout) => {
                Err(format!("{} did not answer within {} s", self.admin, PATIENCE.as_secs()))
            }
        }
    }

    fn token(&self) -> Result<Option<String>, u8> {
        let Some(file) = &self.token_file else {
            return Ok(std::env::var("SLUICEGATE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty()));
        };
        std::fs::read_to_string(file).map(|token| Some(token.trim_end().to_owned())).map_err(|error| {
            complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
            BAD_INPUT
        })
    }
}

/// A refusal as people read it: problem details (RFC 9457), or whatever came.
fn refusal(status: http::StatusCode, body: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let field = |name: &str| problem.get(name).and_then(|value| value.as_str());
    let (Some(title), Some(detail)) = (field("title"), field("detail")) else {
        return format!("sluicegate: the gateway answered {status}\n");
    };
    let mut text = format!("sluicegate: {title} ({}): {detail}\n", status.as_u16());
    let findings = problem.get("findings").and_then(|findings| findings.as_array());
    for finding in findings.into_iter().flatten().filter_map(|finding| finding.as_str()) {
        text.push_str(&format!("  {finding}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_what_to_do() {
        let body = br#"{"title":"Your role does not suffice","detail":"this takes the role `operator`","findings":["SG0001: x"]}"#;
        assert_eq!(
            refusal(http::StatusCode::FORBIDDEN, body),
            "sluicegate: Your role does not suffice (403): this takes the role `operator`\n  SG0001: x\n"
        );
        assert!(refusal(http::StatusCode::BAD_GATEWAY, b"<html>").contains("502"));
    }
}
