//! Errors in each server's own form. It owns their bodies, in the answer and in the stream; it refuses to
//! decide what is an error.

use bytes::Bytes;
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::config::Flavour;

/// What is wrong, before any dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Complaint {
    pub(super) status: StatusCode,
    /// OpenAI's `error.type`.
    pub(super) kind: &'static str,
    /// OpenAI's `error.code`.
    pub(super) code: Option<&'static str>,
    /// The field it is about.
    pub(super) param: Option<String>,
    pub(super) message: String,
}

impl Complaint {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let kind = if status.is_server_error() { "server_error" } else { "invalid_request_error" };
        Self { status, kind, code: None, param: None, message: message.into() }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(super) fn about(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    pub(super) fn coded(self, code: &'static str) -> Self {
        Self { code: Some(code), ..self }
    }

    /// The body in the form of `flavour`.
    pub(super) fn body(&self, flavour: Flavour, request_id: &str) -> Bytes {
        let Self { kind, code, param, message, .. } = self;
        let status = self.status.as_u16();
        let body = match flavour {
            Flavour::OpenAi => openai(kind, *code, param.as_deref(), message),
            Flavour::AzureOpenAi => self.azure(),
            Flavour::Vllm => {
                json!({"error": {"message": message, "type": python_name(status), "param": param, "code": status}})
            }
            Flavour::LlamaCpp => json!({"error": {"code": status, "message": message, "type": kind}}),
            Flavour::Mistral => self.mistral(),
            Flavour::Anthropic => {
                let message =
                    param.as_ref().map_or_else(|| message.clone(), |param| format!("{param}: {message}"));
                anthropic(status, &message, request_id)
            }
            Flavour::KServe => json!({"error": message}),
            Flavour::AzureMl => json!({"error": {"code": self.azure_code(), "message": message}}),
            Flavour::Cognitive => json!({"error": {"code": self.azure_code(), "message": message}}),
            Flavour::Mcp => {
                json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32_600, "message": message}})
            }
        };
        Bytes::from(body.to_string())
    }

    fn azure(&self) -> Value {
        let Self { kind, code, param, message, .. } = self;
        match (self.status.as_u16(), *code) {
            (401, _) => json!({"error": {"code": "401", "message": message}}),
            (404, Some("model_not_found")) => {
                json!({"error": {"code": "DeploymentNotFound", "message": message}})
            }
            (404, _) => json!({"error": {"code": "404", "message": message}}),
            (_, Some("content_filter")) => {
                let innererror = json!({
                    "code": "ResponsibleAIPolicyViolation",
                    "content_filter_result": {"violence": {"filtered": true, "severity": "medium"}},
                });
                json!({"error": {
                    "message": message, "type": null, "param": "prompt", "code": code, "status": 400,
                    "innererror": innererror,
                }})
            }
            (429, Some("rate_limit_exceeded")) => json!({"error": {"code": "429", "message": message}}),
            _ => openai(kind, *code, param.as_deref(), message),
        }
    }

    fn mistral(&self) -> Value {
        let Self { kind, param, message, .. } = self;
        if self.status == StatusCode::UNPROCESSABLE_ENTITY {
            let location = json!(["body", param]);
            let detail = json!([{"type": "extra_forbidden", "loc": location, "msg": message}]);
            return json!({"object": "error", "message": {"detail": detail}, "type": kind, "param": null, "code": null});
        }
        json!({"object": "error", "message": message, "type": kind, "param": param, "code": self.status.as_u16().to_string()})
    }

    /// Azure's names of statuses.
    fn azure_code(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "InvalidRequest",
            401 => "401",
            404 => "NotFound",
            429 => "TooManyRequests",
            _ => "InternalServerError",
        }
    }
}

fn openai(kind: &str, code: Option<&str>, param: Option<&str>, message: &str) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

/// vLLM names its errors after Python's exceptions and statuses.
const fn python_name(status: u16) -> &'static str {
    match status {
        401 => "Unauthorized",
        404 => "NotFoundError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "BadRequestError",
    }
}

/// An error object of Anthropic's; its type follows from the status.
pub(super) fn anthropic(status: u16, message: &str, request_id: &str) -> Value {
    let kind = match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        400..500 => "invalid_request_error",
        _ => "api_error",
    };
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id})
}
