//! Manifests of any size for benches: the same text for the same size. It owns what is typical of a large one; it
//! refuses to measure.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// What a platform with many tenants writes: a host per tenant, with AI operations and plain services behind it, and
/// rules over networks, paths and headers.
pub(crate) fn manifest(routes: u32) -> String {
    let mut text = String::from(
        "apiVersion: sluicegate/v1\n\
         listeners:\n  gateway: {address: 127.0.0.1:8080}\n\
         backends:\n  vllm: {kind: vllm, url: \"http://127.0.0.1:8000\", models: {llama-70b: {}}}\n  \
         files: {kind: http, url: \"http://127.0.0.1:9000\"}\n\
         pools:\n",
    );
    for pool in 0..20 {
        let member = if pool < 10 { "vllm" } else { "files" };
        let _ = writeln!(text, "  pool-{pool}: {{members: [{member}]}}");
    }
    text.push_str("routes:\n");
    for index in 0..routes {
        let (tenant, service) = (index / 20, index % 20);
        let condition = match service {
            0 => "path: /v1/chat/completions, method: POST".to_owned(),
            1 => "path: /v1/embeddings, method: POST".to_owned(),
            2 => "path: /v1/responses, method: POST".to_owned(),
            3 => "path: /v1/messages, method: POST".to_owned(),
            4..10 => format!("path: /v1/*, header: {{x-service: s{service}}}"),
            10..12 => format!("path: \"/s{service}/{{user}}/files\", method: [GET, POST]"),
            12..16 => format!("path: /s{service}/v1/files, method: [GET, POST]"),
            _ => format!("path: /s{service}/v1/*, method: [GET, POST]"),
        };
        let _ = writeln!(
            text,
            "  r{index}: {{match: {{host: t{tenant}.llm.corp, {condition}}}, pool: pool-{service}, public: true}}"
        );
    }
    text.push_str("acl:\n");
    for index in 0..routes {
        let network = Ipv4Addr::from_bits(0x0b00_0000 + (index << 8));
        let when = match index % 4 {
            0 | 1 => format!("address: {network}/24"),
            2 => format!("path: /private/{index}/*"),
            _ => format!("header: {{x-client: c{index}}}, method: POST"),
        };
        let priority = index + 1;
        let _ = writeln!(text, "  a{index}: {{priority: {priority}, when: {{{when}}}, action: block}}");
    }
    text
}
