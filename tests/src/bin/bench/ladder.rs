//! What is compared: bare Pingora, then the gateway with one feature more per rung, so that differences
//! show what each costs. It owns the manifests and the proof that a feature was really on; it refuses to
//! measure.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::net::SocketAddr;

use crate::load::{KEY, MODEL};
use crate::many_routes;
use crate::peers::{Peer, Product};

/// The file of the access log, beside the manifest.
pub(crate) const ACCESS_LOG: &str = "access.jsonl";

/// What backends call the model where names are rewritten.
const UPSTREAM_MODEL: &str = "sim-chat-2026-11";

/// The header that answers get where headers are edited.
const REWRITTEN: &str = "x-rewritten";

/// One server to measure.
#[derive(Clone, Debug)]
pub(crate) struct Rung {
    /// Its name on the command line and in tables.
    pub(crate) name: &'static str,
    /// What it does, in a few words.
    pub(crate) what: String,
    /// How it is started.
    pub(crate) server: Kind,
    /// Whether its streams are measured too.
    pub(crate) streams: bool,
    /// It gets one of so many requests, lest the slowest takes all the time there is.
    pub(crate) one_in: usize,
}

/// What kind of server it is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// This program as bare Pingora.
    Bare,
    /// Another proxy.
    Peer(Peer),
    /// The gateway.
    Gateway(Features),
}

/// What the gateway does on a rung, beyond routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Callers show an API key.
    pub(crate) key: bool,
    /// Requests and tokens are limited per consumer.
    pub(crate) limits: bool,
    /// The pool picks by its objective instead of in turn.
    pub(crate) adaptive: bool,
    /// Each request leaves a line in a file.
    pub(crate) access_log: bool,
    /// Metrics and one trace in ten go to a collector.
    pub(crate) otlp: bool,
    /// Backends know the model by another name, and headers are edited on both sides.
    pub(crate) rewrite: bool,
    /// Routes and access rules beside the one that is asked for.
    pub(crate) routes: u32,
}

/// The yardstick's name.
pub(crate) const BARE: &str = "bare";
/// The top rung's name.
pub(crate) const EVERYTHING: &str = "everything";

/// Every rung, lowest first, after the yardstick and the peers that are installed.
pub(crate) fn rungs(peers: &[Peer]) -> Vec<Rung> {
    let route = Features::default();
    let key = Features { key: true, ..route };
    let limits = Features { limits: true, ..key };
    let adaptive = Features { adaptive: true, ..limits };
    let log = Features { access_log: true, ..adaptive };
    let otlp = Features { otlp: true, ..log };
    let gateway = |name, what: &str, features| Rung {
        name,
        what: what.to_owned(),
        server: Kind::Gateway(features),
        streams: false,
        one_in: 1,
    };
    let what = "bare Pingora, the same dispatch".to_owned();
    let mut rungs = vec![Rung { name: BARE, what, server: Kind::Bare, streams: true, one_in: 1 }];
    rungs.extend(peers.iter().map(beside));
    rungs.extend([
        Rung { streams: true, ..gateway("route", "the gateway: route, round robin over 3 backends", route) },
        gateway("key", "+ API key", key),
        gateway("limits", "+ request and token limits", limits),
        gateway("adaptive", "+ adaptive pick", adaptive),
        gateway("log", "+ access log to a file", log),
        gateway("otlp", "+ OTLP metrics, 10 % of traces", otlp),
        Rung {
            streams: true,
            ..gateway(EVERYTHING, "+ rewrite of the model name and of headers", Features::all())
        },
    ]);
    rungs
}

/// A peer beside the ladder.
fn beside(peer: &Peer) -> Rung {
    let product = peer.product;
    let version = peer.version.as_ref().map(|version| format!(", {version}")).unwrap_or_default();
    Rung {
        name: product.name(),
        what: format!("{}{version}", product.what()),
        server: Kind::Peer(peer.clone()),
        // nginx holds streams back unless told not to, and is not told.
        streams: product != Product::Nginx,
        one_in: if product == Product::Litellm { 50 } else { 1 },
    }
}

impl Rung {
    /// What the gateway does, if this is the gateway.
    pub(crate) fn features(&self) -> Option<Features> {
        match self.server {
            Kind::Gateway(features) => Some(features),
            Kind::Bare | Kind::Peer(_) => None,
        }
    }

    /// Whether it is another proxy.
    pub(crate) fn is_peer(&self) -> bool {
        matches!(self.server, Kind::Peer(_))
    }

    /// Whether callers show a key.
    pub(crate) fn shows_key(&self) -> bool {
        match &self.server {
            Kind::Bare => false,
            Kind::Peer(peer) => peer.product == Product::Litellm,
            Kind::Gateway(features) => features.key,
        }
    }
}

impl Features {
    /// Everything on.
    pub(crate) fn all() -> Self {
        Self {
            key: true,
            limits: true,
            adaptive: true,
            access_log: true,
            otlp: true,
            rewrite: true,
            routes: 0,
        }
    }

    /// The manifest that turns these on, in JSON.
    pub(crate) fn manifest(self, backends: &[SocketAddr], collector: SocketAddr) -> String {
        let names = ["east", "north", "west"];
        let (mut servers, mut members) = (Map::new(), Vec::new());
        for (name, address) in names.iter().zip(backends) {
            let mut model = json!({
                "contextWindow": 131_072,
                "price": {"input": "1 USD/1M", "cachedInput": "0.5 USD/1M", "output": "4 USD/1M"},
                "quota": {"tokens": "2000M tokens/min", "requests": "20M requests/min"},
                "expectedTtft": "5ms",
            });
            if let (true, Value::Object(model)) = (self.rewrite, &mut model) {
                model.insert("upstreamName".to_owned(), UPSTREAM_MODEL.into());
            }
            let url = format!("http://{address}");
            servers
                .insert((*name).to_owned(), json!({"kind": "openai", "url": url, "models": {MODEL: model}}));
            members.push(Value::from(*name));
        }
        let strategy = if self.adaptive { "adaptive" } else { "round-robin" };
        let mut document = json!({
            "apiVersion": "sluicegate/v1",
            "listeners": {"main": {"address": "127.0.0.1:0"}},
            "admin": {"address": "127.0.0.1:0"},
            "backends": servers,
            "pools": {"chat": {"members": members, "strategy": strategy}},
            "routes": {
                "chat": {"match": {"path": "/v1/chat/completions", "method": "POST"}, "pool": "chat"},
            },
        });
        if let Value::Object(sections) = &mut document {
            self.add_sections(sections, collector);
        }
        format!("{document:#}\n")
    }

    fn add_sections(self, sections: &mut Map<String, Value>, collector: SocketAddr) {
        many_routes::add(sections, self.routes);
        if self.key {
            let sha256: String = Sha256::digest(KEY).iter().map(|byte| format!("{byte:02x}")).collect();
            let mut caller = json!({"keys": {"only": {"sha256": sha256}}});
            if let Value::Object(caller) = &mut caller
                && self.limits
            {
                caller.insert("limit".to_owned(), "plenty".into());
            }
            sections.insert("consumers".to_owned(), json!({"caller": caller}));
        }
        if self.limits {
            let plenty = json!({"requests": "20M requests/min", "tokens": "2000M tokens/min"});
            sections.insert("limits".to_owned(), json!({"plenty": plenty}));
        }
        if self.rewrite
            && let Some(Value::Object(route)) = sections.get_mut("routes").and_then(|all| all.get_mut("chat"))
        {
            let request = json!({"headers": {"set": {"x-team": "bench"}, "remove": ["x-debug"]}});
            let response = json!({"headers": {"set": {REWRITTEN: "yes"}}});
            route.insert("rewrite".to_owned(), json!({"request": request, "response": response}));
        }
        let mut telemetry = Map::new();
        if self.access_log {
            telemetry.insert("accessLog".to_owned(), json!({"file": ACCESS_LOG}));
        }
        if self.otlp {
            let endpoint = format!("http://{collector}");
            let otlp = json!({"endpoint": endpoint, "protocol": "http-protobuf", "interval": "1s"});
            telemetry.insert("otlp".to_owned(), otlp);
            telemetry.insert("traceSampling".to_owned(), "10%".into());
        }
        sections.insert("telemetry".to_owned(), Value::Object(telemetry));
    }

    /// What the head of an answer lacks that these features put there.
    pub(crate) fn missing_from(self, head: &str) -> Option<&'static str> {
        let head = head.to_ascii_lowercase();
        let expected = [
            (true, "x-request-id"),
            (self.limits, "x-ratelimit-remaining-tokens"),
            (self.rewrite, REWRITTEN),
        ];
        expected.into_iter().find(|(on, name)| *on && !head.contains(&format!("{name}: "))).map(|(_, it)| it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_of_the_gateway_has_a_manifest_without_findings() {
        let address: SocketAddr = "127.0.0.1:9".parse().unwrap();
        for rung in rungs(&[]) {
            let Kind::Gateway(features) = rung.server else { continue };
            let text = features.manifest(&[address; 3], address);
            let outcome = policy_compiler::compile(&policy_compiler::Source::new("bench", text));
            let findings: Vec<String> =
                outcome.findings.iter().filter(|finding| finding.is_error()).map(|f| f.one_line()).collect();
            assert!(outcome.is_sound(), "{}: {findings:?}", rung.name);
        }
    }

    #[test]
    fn an_answer_without_the_headers_of_a_feature_is_found_out() {
        let head = "HTTP/1.1 200 OK\r\nX-Request-Id: 1\r\n";
        assert_eq!(Features::default().missing_from(head), None);
        assert_eq!(Features::all().missing_from(head), Some("x-ratelimit-remaining-tokens"));
    }
}
