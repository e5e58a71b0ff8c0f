//! The OTLP endpoint can work.

use super::Context;
use crate::diagnostics::{Code, Finding};
use crate::manifest::OtlpProtocol;
use crate::resolve::{UrlFault, endpoint, header_fault};

const PATH: [&str; 3] = ["telemetry", "otlp", "endpoint"];

pub(super) fn check(context: &Context<'_>) -> Vec<Finding> {
    let Some(otlp) = &context.manifest.telemetry.otlp else { return Vec::new() };
    let mut findings = Vec::new();
    match endpoint(&otlp.endpoint) {
        Err(UrlFault::Malformed(what, help)) => findings.push(
            Finding::new(Code::MalformedEndpoint, format!("the OTLP endpoint cannot be used: {what}"))
                .at_value(context.document, &PATH, "")
                .help(help),
        ),
        Err(UrlFault::Credentials) => findings.push(
            Finding::new(Code::InlineSecret, "the OTLP endpoint carries credentials")
                .at_value(context.document, &PATH, "not shown")
                .redacting(context.document.value_span(&PATH))
                .help(
                    "remove `user:password@` and send a header: `headers: {authorization: {env: OTLP_AUTH}}`",
                ),
        ),
        Ok(url) => {
            let (other, spelt) = match otlp.protocol {
                OtlpProtocol::Grpc => (4318, "http-protobuf"),
                OtlpProtocol::HttpProtobuf => (4317, "grpc"),
            };
            if url.port == other {
                let message =
                    format!("port {other} takes `{spelt}` by custom, but another protocol is sent to it");
                let finding =
                    Finding::new(Code::ProtocolMismatch, message).at_value(context.document, &PATH, "");
                findings.push(finding.help(format!("write `protocol: {spelt}`, or the other port")));
            }
        }
    }
    for name in otlp.headers.keys() {
        if let Some((what, help)) = header_fault(name, "*") {
            findings.push(
                Finding::new(Code::MalformedHeader, format!("an OTLP header cannot be sent: {what}"))
                    .at_key(context.document, &["telemetry", "otlp", "headers", name], "")
                    .help(help),
            );
        }
    }
    findings
}
