//! The questions about one backend, each asked only where the one before it has an answer. It owns their
//! order; it refuses to open sockets itself (the edge does).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rule_table::{Backend, Credential, Deployment};
use tokio::time::Instant;
use vocabulary::Operation;

use super::outcome::{Outcome, Step, Verdict};
use crate::clock::Clock;
use crate::edge::{Answer, Errand, Errands};
use crate::upstream::{Upstream, Upstreams};

/// How long a look-up may take; resolvers ask again after 5 s.
const LOOK_UP: Duration = Duration::from_secs(6);

/// What was learnt of one backend so far.
struct Findings<'b> {
    backend: &'b Backend,
    outcomes: Vec<Outcome>,
}

/// Asks one backend everything, its deployments as well.
pub(super) async fn check(
    backend: &Backend,
    deployments: &[&Deployment],
    base: &Path,
    clock: Clock,
) -> Vec<Outcome> {
    let mut findings = Findings { backend, outcomes: Vec::new() };
    let Some(upstreams) = findings.secrets(base) else { return findings.outcomes };
    if !findings.names().await {
        return findings.outcomes;
    }
    upstreams.prepare(&clock).await;
    let Some(upstream) = upstreams.get(0) else { return findings.outcomes };
    let errands = Errands::new(clock);
    let connected = findings.connection(&errands, upstream).await;
    let authorised = findings.token(upstream);
    if !connected || !authorised {
        return findings.outcomes;
    }
    findings.health(&errands, upstream, clock).await;
    for deployment in deployments {
        findings.completion(&errands, upstream, deployment, clock).await;
    }
    findings.outcomes
}

impl Findings<'_> {
    fn note(&mut self, step: Step, since: Instant, answer: Result<String, String>) -> bool {
        let subject = self.backend.name.clone();
        self.note_about(subject, step, since, answer)
    }

    fn note_about(
        &mut self,
        subject: String,
        step: Step,
        since: Instant,
        answer: Result<String, String>,
    ) -> bool {
        let passed = answer.is_ok();
        let verdict = if passed { Verdict::Passed } else { Verdict::Failed };
        let detail = answer.unwrap_or_else(|detail| detail);
        self.outcomes.push(Outcome { subject, step, verdict, detail, took: since.elapsed() });
        passed
    }

    fn skip(&mut self, step: Step, why: &str) {
        let subject = self.backend.name.clone();
        let detail = why.to_owned();
        self.outcomes.push(Outcome {
            subject,
            step,
            verdict: Verdict::Skipped,
            detail,
            took: Duration::ZERO,
        });
    }

    /// By itself, so that one backend's missing secret says nothing of the others.
    fn secrets(&mut self, base: &Path) -> Option<Upstreams> {
        let since = Instant::now();
        let built = Upstreams::build(std::slice::from_ref(self.backend), base, None);
        let tls = &self.backend.tls_options;
        let egress = self.backend.egress.as_ref().and_then(|proxy| proxy.authorization.as_ref());
        let any =
            self.backend.auth.is_some() || *tls != rule_table::TlsOptions::default() || egress.is_some();
        match built {
            Ok(upstreams) if any => {
                self.note(Step::Secrets, since, Ok("all can be read".to_owned()));
                Some(upstreams)
            }
            Ok(upstreams) => {
                self.skip(Step::Secrets, "it has none");
                Some(upstreams)
            }
            Err((_, error)) => {
                self.note(Step::Secrets, since, Err(error.to_string()));
                None
            }
        }
    }

    async fn names(&mut self) -> bool {
        let proxied = self.backend.egress.as_ref();
        let (host, port) =
            proxied.map_or((&self.backend.host, self.backend.port), |proxy| (&proxy.host, proxy.port));
        if host.parse::<IpAddr>().is_ok() {
            self.skip(Step::Names, "an address needs no look-up");
            return true;
        }
        let since = Instant::now();
        let whose = if proxied.is_some() { "the proxy's name " } else { "" };
        let looked_up = tokio::time::timeout(LOOK_UP, tokio::net::lookup_host((host.as_str(), port))).await;
        let answer = match looked_up {
            Ok(Ok(found)) => {
                let mut found: Vec<IpAddr> = found.map(|address: SocketAddr| address.ip()).collect();
                found.sort_unstable();
                found.dedup();
                let first = found.first().map(ToString::to_string);
                match (first, found.len()) {
                    (Some(first), 1) => Ok(format!("{whose}{host} is {first}")),
                    (Some(first), count) => Ok(format!("{whose}{host} is {first} and {} more", count - 1)),
                    (None, _) => Err(format!("{whose}{host} has no address")),
                }
            }
            Ok(Err(error)) => Err(format!("{whose}{host} does not resolve: {error}")),
            Err(_) => Err(format!("{whose}{host} does not resolve: no answer in {} s", LOOK_UP.as_secs())),
        };
        self.note(Step::Names, since, answer)
    }

    async fn connection(&mut self, errands: &Errands, upstream: &Upstream) -> bool {
        let since = Instant::now();
        let answer = errands.connect(upstream).await;
        let name = self.backend.tls_options.server_name.as_ref().unwrap_or(&self.backend.host);
        let answer = match answer {
            Ok(()) if self.backend.tls => Ok(format!("TLS, verified as {name}")),
            Ok(()) => Ok("TCP, not encrypted".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        self.note(Step::Connection, since, answer)
    }

    fn token(&mut self, upstream: &Upstream) -> bool {
        if !matches!(self.backend.auth, Some(Credential::Entra(_))) {
            return true;
        }
        let since = Instant::now();
        let answer = upstream.credential().map(|_| "of Microsoft Entra ID".to_owned());
        self.note(Step::Token, since, answer.map_err(|error| error.to_string()))
    }

    async fn health(&mut self, errands: &Errands, upstream: &Upstream, clock: Clock) {
        let Some(probe) = self.backend.health.as_ref().filter(|probe| !probe.spend_tokens) else {
            self.skip(Step::Health, "it has no health path");
            return;
        };
        let since = Instant::now();
        let errand = Errand {
            path: format!("{}{}", self.backend.base_path, probe.path),
            body: None,
            patience: clock.wall(probe.timeout),
        };
        let answer = match errands.ask(upstream, errand).await {
            Ok(Answer { status: 200..=299, .. }) => Ok(format!("{} answers", probe.path)),
            Ok(answer) => Err(format!("{} answers with status {}", probe.path, answer.status)),
            Err(error) => Err(error.to_string()),
        };
        self.note(Step::Health, since, answer);
    }

    async fn completion(
        &mut self,
        errands: &Errands,
        upstream: &Upstream,
        deployment: &Deployment,
        clock: Clock,
    ) {
        if !self.backend.kind.has_models() {
            self.skip(Step::Completion, "it has no models");
            return;
        }
        let since = Instant::now();
        let patience = clock.wall(self.backend.timeouts.first_token);
        let (path, body) = decision::probe(self.backend, deployment);
        let errand = Errand { path: path.clone(), body: Some(body), patience };
        let mut answer = errands.ask(upstream, errand).await;
        // A model for embeddings refuses to chat, and is well.
        let refused = matches!(&answer, Ok(answer) if matches!(answer.status, 400 | 404 | 422));
        if refused && let Some(errand) = embedding(self.backend, deployment, &path, patience) {
            let second = errands.ask(upstream, errand).await;
            if matches!(&second, Ok(Answer { status: 200..=299, .. })) {
                answer = second;
            }
        }
        let answer = match answer {
            Ok(Answer { status: 200..=299, .. }) => Ok("it generates".to_owned()),
            Ok(answer) => Err(refusal(&answer)),
            Err(error) => Err(error.to_string()),
        };
        self.note_about(deployment.name.clone(), Step::Completion, since, answer);
    }
}

/// The same question to a model for embeddings; `path` is where it was asked to chat.
fn embedding(backend: &Backend, deployment: &Deployment, path: &str, patience: Duration) -> Option<Errand> {
    let chat = Operation::Chat.path().trim_start_matches("/v1");
    let other = Operation::Embeddings.path().trim_start_matches("/v1");
    let path = backend.kind.offers(Operation::Embeddings).then(|| path.replacen(chat, other, 1))?;
    let body = serde_json::json!({"model": deployment.upstream_name, "input": "ping"});
    Some(Errand { path, body: Some(body.to_string().into()), patience })
}

/// The status and the error's code, where it is one: messages may quote parts of a key.
fn refusal(answer: &Answer) -> String {
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is_code = |text: &&str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || matches!(b, b'_' | b'.'))
    };
    let code = ["/error/code", "/error/type"]
        .into_iter()
        .find_map(|place| json.pointer(place).and_then(serde_json::Value::as_str).filter(is_code));
    match code {
        Some(code) => format!("status {}, {code}", answer.status),
        None => format!("status {}", answer.status),
    }
}
