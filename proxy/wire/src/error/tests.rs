use serde_json::{Value, json};
use vocabulary::ReasonKind;

use super::*;

const REQUEST: &str = "req-1";

fn body(dialect: Dialect, reason: Reason, message: &str, param: Option<&str>) -> Value {
    serde_json::from_slice(&error_body(dialect, reason, message, param, REQUEST)).unwrap()
}

#[test]
fn an_error_has_the_four_fields_openai_s_clients_read() {
    let expected = json!({"error": {
        "message": "no route serves \"this\"", "type": "invalid_request_error", "param": "model", "code": "unknown_model",
    }});
    let found = body(Dialect::Openai, Reason::UnknownModel, "no route serves \"this\"", Some("model"));
    assert_eq!(found, expected);
    assert_eq!(body(Dialect::Openai, Reason::NoBackend, "", None)["error"]["param"], Value::Null);
}

#[test]
fn an_error_has_the_envelope_anthropic_s_clients_read() {
    let expected = json!({
        "type": "error", "error": {"type": "not_found_error", "message": "no such model"}, "request_id": "req-1",
    });
    assert_eq!(body(Dialect::Anthropic, Reason::UnknownModel, "no such model", Some("model")), expected);
}

#[test]
fn each_reason_has_the_type_anthropic_documents_for_its_status() {
    let documented = [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ];
    for reason in Reason::ALL {
        let found = body(Dialect::Anthropic, *reason, "", None)["error"]["type"].clone();
        match documented.iter().find(|(status, _)| *status == reason.status()) {
            Some((_, expected)) => assert_eq!(found, *expected, "{reason}"),
            None if reason.kind() == ReasonKind::Request => assert_ne!(found, "api_error", "{reason}"),
            None => assert_eq!(found, "invalid_request_error", "{reason}"),
        }
    }
}

#[test]
fn a_broken_stream_ends_in_an_error_event_of_its_own_api() {
    for operation in Operation::ALL {
        let event = stream_error_event(operation, Reason::StreamBroken, "line\nbreak", REQUEST, 7);
        let text = std::str::from_utf8(&event).unwrap();
        let named = text.strip_prefix("event: error\n");
        assert_eq!(
            named.is_some(),
            matches!(operation, Operation::Messages | Operation::CountTokens | Operation::Responses)
        );
        let data = named.unwrap_or(text).strip_prefix("data: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!data.contains('\n'));
        let data: Value = serde_json::from_str(data).unwrap();
        match operation {
            Operation::Messages | Operation::CountTokens => assert_eq!(
                data,
                json!({
                    "type": "error", "error": {"type": "api_error", "message": "line\nbreak"}, "request_id": "req-1",
                })
            ),
            Operation::Responses => assert_eq!(
                data,
                json!({
                    "type": "error", "code": "stream_broken", "message": "line\nbreak", "param": null,
                    "sequence_number": 7,
                })
            ),
            _ => assert_eq!(data["error"]["code"], "stream_broken"),
        }
    }
}

fn code(document: &Value) -> Option<BackendErrorCode> {
    error_code(document.to_string().as_bytes())
}

#[test]
fn the_codes_that_matter_are_told_apart() {
    use BackendErrorCode::*;
    let openai = |word: Value, kind: Value| code(&json!({"error": {"code": word, "type": kind}}));
    assert_eq!(openai(json!("insufficient_quota"), json!("insufficient_quota")), Some(InsufficientQuota));
    assert_eq!(openai(json!("rate_limit_exceeded"), json!("insufficient_quota")), Some(InsufficientQuota));
    assert_eq!(openai(json!("rate_limit_exceeded"), json!("requests")), Some(RateLimitExceeded));
    assert_eq!(openai(json!("429"), json!("tokens")), Some(RateLimitExceeded));
    assert_eq!(openai(json!(429), Value::Null), Some(Other));
    assert_eq!(
        openai(json!("context_length_exceeded"), json!("invalid_request_error")),
        Some(ContextLengthExceeded)
    );
    assert_eq!(openai(json!("content_filter"), Value::Null), Some(ContentFilter));
    assert_eq!(openai(json!("invalid_api_key"), json!("invalid_request_error")), Some(InvalidCredential));
    assert_eq!(openai(json!("DeploymentNotFound"), Value::Null), Some(ModelNotFound));
    for body in ["", "<html>", "{}", r#"{"error":"no"}"#, "[]", r#"{"type":"message"}"#] {
        assert_eq!(error_code(body.as_bytes()), None, "{body}");
    }
}

#[test]
fn anthropic_s_errors_are_understood() {
    use BackendErrorCode::*;
    let anthropic = |kind: &str, message: &str| {
        code(&json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "r"}))
    };
    assert_eq!(anthropic("overloaded_error", "Overloaded"), Some(Overloaded));
    assert_eq!(anthropic("rate_limit_error", "…"), Some(RateLimitExceeded));
    assert_eq!(anthropic("authentication_error", "invalid x-api-key"), Some(InvalidCredential));
    assert_eq!(anthropic("permission_error", "…"), Some(InvalidCredential));
    assert_eq!(anthropic("not_found_error", "model: x"), Some(ModelNotFound));
    assert_eq!(anthropic("billing_error", "…"), Some(InsufficientQuota));
    assert_eq!(anthropic("api_error", "…"), Some(Other));
    let invalid = |message| anthropic("invalid_request_error", message);
    assert_eq!(invalid("prompt is too long: 210000 tokens > 200000 maximum"), Some(ContextLengthExceeded));
    assert_eq!(
        invalid("input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
        Some(ContextLengthExceeded)
    );
    assert_eq!(invalid("Your credit balance is too low to access the API."), Some(InsufficientQuota));
    assert_eq!(invalid("Output blocked by content filtering policy"), Some(ContentFilter));
    // A message that only quotes those words.
    assert_eq!(invalid("messages.0: unexpected value 'prompt is too long'"), Some(Other));
}

#[test]
fn azure_s_and_vllm_s_errors_are_understood() {
    use BackendErrorCode::*;
    let filtered = json!({"error": {
        "message": "…", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}},
    }});
    assert_eq!(code(&filtered), Some(ContentFilter));
    let inner_only =
        json!({"error": {"code": "400", "innererror": {"code": "ResponsibleAIPolicyViolation"}}});
    assert_eq!(code(&inner_only), Some(ContentFilter));
    assert_eq!(code(&json!({"error": {"code": "401", "message": "Access denied"}})), Some(InvalidCredential));
    let busy = "The system is currently experiencing high demand and cannot process your request.";
    assert_eq!(code(&json!({"error": {"code": "429", "message": busy}})), Some(Overloaded));

    let words = "This model's maximum context length is 4096 tokens. However, you requested 5000.";
    let old =
        json!({"object": "error", "message": words, "type": "BadRequestError", "param": null, "code": 400});
    assert_eq!(code(&old), Some(ContextLengthExceeded));
    let new = json!({"error": {"message": words, "type": "BadRequestError", "param": null, "code": 400}});
    assert_eq!(code(&new), Some(ContextLengthExceeded));
    let missing = json!({"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404});
    assert_eq!(code(&missing), Some(ModelNotFound));
    assert_eq!(code(&json!({"object": "error", "message": "…", "code": 500})), Some(Other));
}

#[test]
fn error_events_of_responses_are_understood() {
    use BackendErrorCode::*;
    let event = json!({"type": "error", "code": "rate_limit_exceeded", "message": "…", "sequence_number": 1});
    assert_eq!(code(&event), Some(RateLimitExceeded));
    let failed = json!({"type": "response.failed", "response": {
        "id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "…"},
    }});
    assert_eq!(code(&failed), Some(Other));
}
