//! Active health probes. It owns asking a backend whether it is up, by a GET that spends no tokens unless
//! the manifest says otherwise; it refuses to eject: pools and balancers act on the verdict.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use rule_table::{Deployment, HealthProbe};
use tokio::time::Instant;

use super::links::Links;
use super::members::Member;
use crate::clock::Clock;
use crate::live::{InForce, Live};
use crate::upstream::Upstream;

/// How often the loop looks whether a probe is due.
const BEAT: Duration = Duration::from_millis(250);

/// Pingora's health check for members of piped pools.
pub(super) struct Probe {
    links: Arc<Links>,
    clock: Clock,
}

impl Probe {
    pub(super) fn new(clock: Clock) -> Self {
        Self { links: Arc::new(Links::new()), clock }
    }
}

#[async_trait]
impl HealthCheck for Probe {
    async fn check(&self, target: &Backend) -> Result<()> {
        let Some(member) = target.ext.get::<Member>() else { return Ok(()) };
        let Some(probe) = &member.upstream.backend.health else { return Ok(()) };
        let Some(address) = member.address(target) else { return Ok(()) };
        let asked = ask(&self.links, &member.upstream, address, probe, None, &self.clock);
        match tokio::time::timeout(self.clock.wall(probe.timeout), asked).await {
            Ok(answer) => answer,
            Err(_) => Error::e_explain(ErrorType::ReadTimedout, "the health probe did not answer in time"),
        }
    }

    /// Pingora keeps one threshold per balancer; members state theirs, so the first one's would win. The
    /// usual two and three stand for all.
    fn health_threshold(&self, success: bool) -> usize {
        if success { 2 } else { 3 }
    }
}

/// What the loop remembers of one backend.
struct Record {
    due: Instant,
    /// Successes in a row, or failures as a negative number.
    streak: i64,
    healthy: bool,
}

/// Probes every backend that has a probe, as often as its manifest says, until dropped.
pub async fn probe_forever(live: Arc<Live>) {
    let links = Arc::new(Links::new());
    let mut records: HashMap<String, Record> = HashMap::new();
    loop {
        tokio::time::sleep(BEAT).await;
        let in_force = live.in_force();
        in_force.pipes.probe_when_due().await;
        let due = due(&in_force, &mut records, &live.clock);
        let verdicts = futures_util::future::join_all(due.into_iter().map(|(index, upstream, probe)| {
            let deployment = in_force.gate.policy().deployments.iter().find(|d| d.backend == index).cloned();
            verdict(Arc::clone(&links), index, upstream, probe, deployment, live.clock)
        }))
        .await;
        for (index, name, up, probe) in verdicts {
            let Some(record) = records.get_mut(&name) else { continue };
            record.streak = if up { record.streak.max(0) + 1 } else { record.streak.min(0) - 1 };
            let healthy = if record.healthy {
                record.streak > -i64::from(probe.unhealthy_after)
            } else {
                record.streak >= i64::from(probe.healthy_after)
            };
            if healthy != record.healthy {
                record.healthy = healthy;
                tracing::warn!(backend = %name, healthy, "health probe changed its verdict");
                in_force.gate.probed(index, healthy, live.clock.now());
            }
        }
    }
}

fn due(
    in_force: &InForce,
    records: &mut HashMap<String, Record>,
    clock: &Clock,
) -> Vec<(u32, Arc<Upstream>, HealthProbe)> {
    let now = Instant::now();
    let probed = (0..).zip(in_force.upstreams.iter()).filter_map(|(index, upstream)| {
        let probe = upstream.backend.health.clone()?;
        let record = records.entry(upstream.backend.name.clone()).or_insert(Record {
            due: now,
            streak: 0,
            healthy: true,
        });
        (record.due <= now).then(|| {
            record.due = now + clock.wall(probe.interval);
            (index, Arc::clone(upstream), probe)
        })
    });
    probed.collect()
}

async fn verdict(
    links: Arc<Links>,
    index: u32,
    upstream: Arc<Upstream>,
    probe: HealthProbe,
    deployment: Option<Deployment>,
    clock: Clock,
) -> (u32, String, bool, HealthProbe) {
    let up = match upstream.address() {
        Some(address) => {
            let asked = ask(&links, &upstream, address, &probe, deployment.as_ref(), &clock);
            matches!(tokio::time::timeout(clock.wall(probe.timeout), asked).await, Ok(Ok(())))
        }
        None => false,
    };
    (index, upstream.backend.name.clone(), up, probe)
}

/// One probe: `Ok` when a 2xx came back.
async fn ask(
    links: &Links,
    upstream: &Upstream,
    address: std::net::SocketAddr,
    probe: &HealthProbe,
    deployment: Option<&Deployment>,
    clock: &Clock,
) -> Result<()> {
    let peer = super::peer::peer(upstream, address, clock);
    let completion = deployment
        .filter(|_| probe.spend_tokens)
        .map(|deployment| decision::probe(&upstream.backend, deployment));
    let (method, path, body) = match completion {
        Some((path, body)) => ("POST", path, body),
        None => ("GET", format!("{}{}", upstream.backend.base_path, probe.path), Bytes::new()),
    };
    let mut header = RequestHeader::build(method, path.as_bytes(), Some(6))?;
    header.insert_header(HOST, decision::authority(&upstream.backend))?;
    header.insert_header(USER_AGENT, "sluicegate-probe")?;
    header.insert_header(ACCEPT, "*/*")?;
    if !body.is_empty() {
        header.insert_header(CONTENT_TYPE, "application/json")?;
        header.insert_header(CONTENT_LENGTH, body.len())?;
    }
    // Without a token the probe goes on: what answers without one is healthy, what does not is not.
    if let Ok(Some(credential)) = upstream.credential() {
        header.insert_header(credential.0.clone(), credential.1.clone())?;
    }
    let (mut session, _) = links.open(&peer).await?;
    session.write_request_header(Box::new(header)).await?;
    if !body.is_empty() {
        session.write_request_body(body, true).await?;
    }
    session.finish_request_body().await?;
    session.read_response_header().await?;
    let healthy = session.response_header().is_some_and(|header| header.status.is_success());
    session.shutdown().await;
    if healthy { Ok(()) } else { Error::e_explain(ErrorType::HTTPStatus(502), "the health probe got no 2xx") }
}
