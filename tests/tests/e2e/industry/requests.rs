//! The requests under `examples/requests` end as each of them says, on the wire and as `explain` foretells.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use e2e::client::Client;
use e2e::example::Example;
use e2e::gateway::TestGateway;
use foresight::{Circumstances, explain};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use policy_compiler::{Source, compile};

use super::{serving, showing};

const INDUSTRIES: [&str; 7] =
    ["education", "energy", "finance", "healthcare", "manufacturing", "media", "retail"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/requests")
}

/// The names in a folder, in order.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What a comment line says after its name.
fn said<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "))
}

/// The caller that a request names, at the address it names.
fn caller(example: &Example, gateway: &TestGateway, text: &str) -> Client {
    let consumer = said(text, "consumer");
    let certificate = consumer.and_then(|name| {
        let pointer = format!("/consumers/{name}/credentials/0/certificate");
        example.manifest.get(&pointer)?.as_str()
    });
    let mut client = match (certificate, consumer) {
        (Some(certificate), _) => showing(example, gateway, certificate),
        (None, Some(name)) => gateway.client().with_key(&format!("sk-{name}")),
        (None, None) => gateway.client(),
    };
    let Some(address) = said(text, "from") else { return client };
    if example.manifest.get("/listeners/control/tls").is_some() {
        client = client.tls(example.authority.client(&["http/1.1"]));
    }
    client.behind(format!("PROXY TCP4 {address} 127.0.0.1 4711 443\r\n").as_bytes())
}

/// The request itself, with what identifies its caller.
fn request(client: &Client, text: &str) -> Request<e2e::client::Body> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines().filter(|line| !line.starts_with('#'));
    let (method, path) = lines.next().unwrap().split_once(' ').unwrap();
    let body = Full::new(body.trim_end().to_owned().into()).boxed();
    let mut request = client.request(method.parse().unwrap(), path, body);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        request
            .headers_mut()
            .insert(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    request
}

/// `route <name>` where the request is sent on, status and reason where it is refused.
async fn outcome(gateway: &TestGateway, client: &Client, text: &str) -> String {
    let answer = client.send(request(client, text)).await;
    let record = gateway.access_log().record(answer.request_id()).await;
    match record.reason {
        None => format!("route {}", record.route.unwrap_or_default()),
        Some(reason) => {
            format!("{} {}", answer.status, serde_json::to_value(reason).unwrap().as_str().unwrap())
        }
    }
}

/// The same as `explain` foretells it.
fn foretold(example: &Example, text: &str) -> String {
    let bundle = compile(&Source::new("example.json", example.manifest.text())).bundle.unwrap();
    let how = Circumstances {
        from: Some(said(text, "from").unwrap_or("127.0.0.1").parse().unwrap()),
        consumer: said(text, "consumer").map(str::to_owned),
        ..Circumstances::default()
    };
    let told = explain(bundle, &foresight::Request::parse(text.as_bytes()).unwrap(), &how).unwrap();
    match told.answer.and_then(|answer| Some((answer.status, answer.reason?))) {
        None => format!("route {}", told.route.unwrap_or_default()),
        Some((status, reason)) => format!("{status} {reason}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_beside_the_examples_ends_as_it_says() {
    assert_eq!(names(&folder()), INDUSTRIES.map(str::to_owned).into());
    let server = serving().await;
    for industry in INDUSTRIES {
        let example = Example::read(industry).all_backends(server.address());
        let gateway = example.start().await;
        for name in names(&folder().join(industry)) {
            let text = std::fs::read_to_string(folder().join(industry).join(&name)).unwrap();
            let client = caller(&example, &gateway, &text);
            let expected = said(&text, "expect");
            assert_eq!(Some(&*outcome(&gateway, &client, &text).await), expected, "{industry}/{name}");
            assert_eq!(Some(&*foretold(&example, &text)), expected, "{industry}/{name}, foretold");
        }
    }
}
