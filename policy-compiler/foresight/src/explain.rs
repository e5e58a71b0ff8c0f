//! A request on its way through the stages. It owns the order in which the gateway runs them and what cannot be
//! foreseen of it (load, hooks, what pools have learned); it refuses to decide: every verdict is `decision`'s.

mod access;
mod limits;
mod pools;
mod routes;
mod sending;

use std::net::IpAddr;
use std::sync::Arc;

use decision::{Country, Destination, Exchange, Gate, Head, Refusal, Reserved, Stage, too_large};
use rule_table::{Bundle, Listener};
use vocabulary::{Moment, Operation};

use crate::explanation::{
    Answer, Asked, Body, Caller, Explanation, Outcome, StageTold, StageVerdict, VERSION,
};
use crate::request::Request;

/// What is known of a request beyond its bytes.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// The listener it comes by; the policy's first where none is named.
    pub listener: Option<String>,
    /// The client's address, as the gateway would take it.
    pub from: Option<IpAddr>,
    /// That address's country.
    pub country: Option<Country>,
    /// The consumer that sends it, whatever it shows.
    pub consumer: Option<String>,
    /// When it arrives, in Unix nanoseconds.
    pub unix_nanos: u64,
}

/// A name that the policy does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} `{name}`; {}", listed(.known))]
pub struct Unknown {
    /// `listener` or `consumer`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// Names there are, at most ten.
    pub known: Vec<String>,
}

fn listed(names: &[String]) -> String {
    if names.is_empty() {
        "the policy has none".to_owned()
    } else {
        format!("there is `{}`", names.join("`, `"))
    }
}

fn find<'a>(
    kind: &'static str,
    name: &str,
    names: impl Iterator<Item = &'a String> + Clone,
) -> Result<u32, Unknown> {
    let found = (0..).zip(names.clone()).find(|(_, known)| *known == name).map(|(id, _)| id);
    found.ok_or_else(|| Unknown { kind, name: name.to_owned(), known: names.take(10).cloned().collect() })
}

/// How far a request got without being refused.
enum Course {
    SentOn,
    /// The gateway's own answer, in words.
    Answered(&'static str),
}

/// Follows `request` through the policy of `bundle`. Pools have learned nothing and limits have counted
/// nothing; nothing is sent and nobody is asked.
///
/// # Errors
/// A listener or consumer that the policy does not have.
pub fn explain(bundle: Bundle, request: &Request, how: &Circumstances) -> Result<Explanation, Unknown> {
    let gate = Arc::new(Gate::new(bundle, 1, None, 0, Moment::ZERO));
    let policy = gate.policy();
    let listener = match &how.listener {
        Some(name) => find("listener", name, policy.listeners.iter().map(|listener| &listener.name))?,
        None => 0,
    };
    let consumer = match &how.consumer {
        Some(name) => Some(find("consumer", name, policy.consumers.iter().map(|one| &one.name))?),
        None => None,
    };
    let mut exchange = Exchange::new(
        Arc::clone(&gate),
        "foreseen".to_owned(),
        request.method.clone(),
        Moment::ZERO,
        how.unix_nanos,
    );
    exchange.peer.listener = listener;
    exchange.peer.address = how.from;
    if let Some(consumer) = consumer {
        exchange.vouch(consumer);
    }
    let told = blank(&gate, request, how, listener);
    let mut walk =
        Walk { gate, exchange, request, how, stage: Stage::Accept, piped: false, asked_routes: false, told };
    let course = walk.run();
    Ok(walk.finish(course))
}

fn blank(gate: &Gate, request: &Request, how: &Circumstances, listener: u32) -> Explanation {
    let policy = gate.policy();
    let listener = policy.listeners.get(listener as usize);
    Explanation {
        v: VERSION,
        policy: gate.digest().to_owned(),
        request: Asked {
            method: request.method.to_string(),
            host: request.host.clone(),
            path: request.path.clone(),
            body_bytes: request.body.len() as u64,
            listener: listener.map(|listener| listener.name.clone()).unwrap_or_default(),
            from: how.from.map(|address| address.to_string()),
            country: how.country.map(|code| String::from_utf8_lossy(&code).into_owned()),
            at: how.unix_nanos / 1_000_000_000,
        },
        outcome: Outcome::Refused,
        stages: Vec::new(),
        caller: None,
        acl: crate::explanation::Acl::default(),
        objections: Vec::new(),
        body: None,
        route: None,
        near_routes: Vec::new(),
        limits: Vec::new(),
        pools: Vec::new(),
        sending: None,
        answer: None,
        would_refuse: Vec::new(),
        notes: Vec::new(),
    }
}

/// A request under way, and what was told of it so far.
struct Walk<'a> {
    gate: Arc<Gate>,
    exchange: Exchange,
    request: &'a Request,
    how: &'a Circumstances,
    /// The stage it is at.
    stage: Stage,
    /// Whether its body is passed on unread.
    piped: bool,
    /// Whether it got as far as the routes.
    asked_routes: bool,
    told: Explanation,
}

impl<'a> Walk<'a> {
    fn head(&self) -> Head<'a> {
        Head {
            host: &self.request.host,
            path: &self.request.path,
            query: &self.request.query,
            headers: &self.request.headers,
        }
    }

    fn listener(&self) -> Option<&Listener> {
        self.gate.policy().listeners.get(self.exchange.peer.listener as usize)
    }

    fn note(&mut self, note: impl Into<String>) {
        self.told.notes.push(note.into());
    }

    /// The stages as `edge` runs them.
    fn run(&mut self) -> Result<Course, Refusal> {
        let head = self.head();
        let country = self.how.country;
        self.stage = Stage::Identify;
        self.exchange.admit_acl(&head, self.request.body.is_empty(), |_| country)?;
        self.exchange.admit_peer(head.headers, |_| country)?;
        self.asked_routes = true;
        let destination = self.exchange.identify(&head);
        if self.exchange.wants_keys_of().is_some() {
            self.note("only the gateway has the keys of a token's issuer; name the caller with --consumer");
        }
        match destination? {
            Destination::ListModels => {
                self.stage = Stage::Admit;
                self.exchange.admit_unread(&head)?;
                Ok(Course::Answered("the models that the caller may use"))
            }
            Destination::Terminate(operation) => self.terminate(operation, &head),
            Destination::Pipe(_) => self.pipe(&head),
        }
    }

    fn terminate(&mut self, operation: Operation, head: &Head<'_>) -> Result<Course, Refusal> {
        self.stage = Stage::Admit;
        let max_body = self.listener().map_or(u64::MAX, |listener| listener.max_body);
        self.exchange.admit_head(head)?;
        self.exchange.admit_json(head.headers, max_body)?;
        let bytes = self.request.body.len();
        if bytes as u64 > max_body {
            return Err(too_large(max_body));
        }
        self.stage = Stage::Inspect;
        self.exchange.admit_body(head, bytes)?;
        self.exchange.inspect(operation, &self.request.body, head)?;
        self.exchange.admit_route(head.headers)?;
        self.reserve()?;
        if self.exchange.own_count().is_some() {
            return Ok(Course::Answered("the gateway's own count of the input's tokens"));
        }
        self.choose()?;
        self.rewrite()?;
        Ok(Course::SentOn)
    }

    fn pipe(&mut self, head: &Head<'_>) -> Result<Course, Refusal> {
        self.piped = true;
        self.stage = Stage::Admit;
        self.exchange.admit_unread(head)?;
        self.exchange.admit_route(head.headers)?;
        let max_body = self.listener().map_or(u64::MAX, |listener| listener.max_body);
        self.exchange.admit_length(head.headers, max_body)?;
        self.reserve()?;
        self.stage = Stage::Choose;
        let pool = self.exchange.route().map(|route| route.pool);
        pool.map_or(Ok(()), |pool| self.exchange.admit_residency(pool))?;
        self.choose()?;
        self.stage = Stage::Rewrite;
        self.pass_on();
        Ok(Course::SentOn)
    }

    fn reserve(&mut self) -> Result<(), Refusal> {
        if let Some((_, hook)) = self.exchange.hook() {
            let note =
                format!("the hook `{}` is asked before it is sent; its answer is not foreseen", hook.name);
            self.note(note);
        }
        self.stage = Stage::Reserve;
        if let Reserved::NeedsLease(_) = self.exchange.try_reserve(Moment::ZERO)? {
            self.note("a limit is shared by replicas: the store has to grant a share of it first");
        }
        Ok(())
    }

    /// Tells what is known at the end, however it came.
    fn finish(mut self, course: Result<Course, Refusal>) -> Explanation {
        self.tell_body();
        self.tell_caller();
        self.tell_acl();
        self.tell_objections();
        if self.asked_routes && !matches!(course, Ok(Course::Answered(_))) {
            self.tell_routes();
        }
        if self.exchange.route.is_some() {
            self.tell_limits();
        }
        self.told.would_refuse.clone_from(&self.exchange.would_refuse);
        let ended = match &course {
            Ok(Course::SentOn) => {
                self.told.outcome = Outcome::SentOn;
                self.stage = Stage::Relay;
                StageVerdict::NotForeseen
            }
            Ok(Course::Answered(what)) => {
                self.told.outcome = Outcome::Answered;
                self.told.answer = Some(Answer {
                    status: 200,
                    reason: None,
                    message: (*what).to_owned(),
                    media: "application/json",
                    body: None,
                    retry_after_s: None,
                });
                StageVerdict::Answered
            }
            Err(refusal) => {
                self.told.outcome = Outcome::Refused;
                self.told.answer = Some(self.answer(refusal));
                StageVerdict::Refused
            }
        };
        let verdict = |stage: Stage| match stage.cmp(&self.stage) {
            // A body that is passed on is not read.
            _ if self.piped && stage == Stage::Inspect => StageVerdict::NotReached,
            std::cmp::Ordering::Less => StageVerdict::Passed,
            std::cmp::Ordering::Equal => ended,
            std::cmp::Ordering::Greater if stage == Stage::Settle => StageVerdict::NotForeseen,
            std::cmp::Ordering::Greater => StageVerdict::NotReached,
        };
        self.told.stages =
            Stage::ALL.map(|stage| StageTold { stage: stage.name(), verdict: verdict(stage) }).to_vec();
        self.told
    }

    fn answer(&self, refusal: &Refusal) -> Answer {
        let (media, body) = self.exchange.refusal_body(refusal, &self.request.path);
        Answer {
            status: refusal.status(),
            reason: Some(refusal.reason),
            message: refusal.message.to_string(),
            media,
            body: serde_json::from_slice(&body).ok(),
            retry_after_s: refusal.retry_after.map(|after| after.as_secs().max(1)),
        }
    }

    fn tell_body(&mut self) {
        self.told.body = self.exchange.facts.as_ref().map(|facts| Body {
            operation: facts.operation.name(),
            model: facts.model.clone(),
            prompt_tokens: facts.prompt_tokens,
            max_output_tokens: facts.max_output_tokens,
            stream: facts.stream,
        });
    }

    fn tell_caller(&mut self) {
        let policy = self.gate.policy();
        let exchange = &self.exchange;
        if exchange.consumer.is_none() && exchange.team.is_none() {
            return;
        }
        self.told.caller = Some(Caller {
            consumer: exchange.consumer.and_then(|id| Some(policy.consumers.get(id as usize)?.name.clone())),
            team: exchange.team.and_then(|id| Some(policy.teams.get(id as usize)?.name.clone())),
            residency: exchange.residency().map(|place| place.name().to_owned()),
            data_class: exchange.data_class().map(str::to_owned),
            vouched: self.how.consumer.is_some(),
        });
    }
}
