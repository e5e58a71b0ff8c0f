//! Policy hooks: others who are asked whether a request may be sent on. It owns asking, with equal questions
//! asked once, and what is remembered of answers; what is asked and what an answer means is `decision`'s.

mod cache;
mod circuit;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use decision::{HookFault, Verdict, hook_question, hook_verdict};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use parking_lot::Mutex;
use rule_table::{Hook, HookId};
use vocabulary::hook::HookFacts;

use self::cache::Decisions;
use self::circuit::Circuit;
use crate::clock::Clock;
use crate::upstream::client::{Client, Unanswered};
use crate::upstream::{SecretError, read_secret};

/// A decision is a few hundred bytes; more is not one.
const LONGEST_ANSWER: usize = 16 * 1024;

/// Why a hook cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The header's secret cannot be read or sent.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// No TLS to be had.
    #[error("there is no TLS to ask it with")]
    Client,
}

type Answer = Result<Verdict, HookFault>;

/// What came of asking.
#[derive(Debug)]
pub struct Asked {
    /// The decision, or why there is none.
    pub answer: Result<Verdict, HookFault>,
    /// Whether it was made before, and still holds.
    pub remembered: bool,
}

impl Asked {
    fn now(answer: Answer) -> Self {
        Self { answer, remembered: false }
    }
}

/// An answer, as metrics spell it.
#[must_use]
pub fn outcome(answer: &Result<Verdict, HookFault>) -> &'static str {
    match answer {
        Ok(verdict) if verdict.allowed => "allow",
        Ok(_) => "deny",
        Err(HookFault::Timeout) => "timeout",
        Err(HookFault::Unreached) => "unreached",
        Err(HookFault::Status(_)) => "status",
        Err(HookFault::TooLong) => "too_long",
        Err(HookFault::Malformed) => "malformed",
        Err(HookFault::Resting) => "resting",
    }
}
type Question = Shared<BoxFuture<'static, Answer>>;

/// The hooks of a policy, by its hook index.
#[derive(Debug, Default)]
pub struct Hooks {
    by_index: Vec<Arc<Known>>,
    client: Option<Client>,
}

/// One hook and what is known of it. Lasts from policy to policy while its definition stays.
struct Known {
    hook: Hook,
    header: Option<(HeaderName, HeaderValue)>,
    decisions: Mutex<Decisions>,
    circuit: Mutex<Circuit>,
    /// Questions under way. Weak, so that one whose callers have all left ends with them.
    under_way: Mutex<HashMap<HookFacts, WeakShared<BoxFuture<'static, Answer>>>>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("hook", &self.hook).finish_non_exhaustive()
    }
}

impl Hooks {
    /// Reads the secrets of `hooks`, relative to `base`, and takes over what `previous` knew of those whose
    /// definition and secret are the same.
    ///
    /// # Errors
    /// The hook's name and what of it cannot be had.
    pub fn build(hooks: &[Hook], base: &Path, previous: Option<&Self>) -> Result<Self, (String, HookError)> {
        let known = previous.map_or(&[][..], |previous| &previous.by_index);
        let by_index = hooks.iter().map(|hook| {
            let header = header(hook, base).map_err(|error| (hook.name.clone(), HookError::Secret(error)))?;
            let same = known.iter().find(|asked| asked.hook == *hook && asked.header == header);
            Ok(same.map_or_else(|| Arc::new(Known::new(hook.clone(), header)), Arc::clone))
        });
        let by_index: Vec<_> = by_index.collect::<Result<_, (String, HookError)>>()?;
        let mut client = previous.and_then(|previous| previous.client.clone());
        if let Some(first) = by_index.first()
            && client.is_none()
        {
            client = Some(Client::new().ok_or_else(|| (first.hook.name.clone(), HookError::Client))?);
        }
        Ok(Self { by_index, client })
    }

    /// The hook's decision on `facts`: one that still holds, one somebody else is waiting for already, or a
    /// new one.
    pub async fn ask(&self, id: HookId, request_id: &str, facts: &HookFacts, clock: &Clock) -> Asked {
        let known = self.by_index.get(id as usize).zip(self.client.as_ref());
        let Some((known, client)) = known else { return Asked::now(Err(HookFault::Unreached)) };
        if known.hook.cache.is_zero() {
            return Asked::now(Arc::clone(known).once(client.clone(), request_id, facts, *clock).await);
        }
        if let Some(held) = known.decisions.lock().find(facts, clock.now()) {
            return Asked { answer: Ok(held), remembered: true };
        }
        Asked::now(known.together(client, request_id, facts, *clock).await)
    }
}

impl Known {
    fn new(hook: Hook, header: Option<(HeaderName, HeaderValue)>) -> Self {
        Self {
            hook,
            header,
            decisions: Mutex::default(),
            circuit: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// The question under way with these facts, or a new one.
    fn together(
        self: &Arc<Self>,
        client: &Client,
        request_id: &str,
        facts: &HookFacts,
        clock: Clock,
    ) -> Question {
        let mut under_way = self.under_way.lock();
        if let Some(question) = under_way.get(facts).and_then(WeakShared::upgrade) {
            return question;
        }
        let (asked, client) = (Arc::clone(self), client.clone());
        let (request_id, facts) = (request_id.to_owned(), facts.clone());
        let key = facts.clone();
        let question = async move {
            let answer = Arc::clone(&asked).once(client, &request_id, &facts, clock).await;
            if let Ok(verdict) = &answer {
                let ttl = verdict.ttl.map_or(asked.hook.cache, |ttl| ttl.min(asked.hook.cache));
                if !ttl.is_zero() {
                    asked.decisions.lock().keep(facts.clone(), verdict.clone(), clock.now() + ttl);
                }
            }
            asked.under_way.lock().remove(&facts);
            answer
        };
        let question = question.boxed().shared();
        under_way.retain(|_, question| question.upgrade().is_some());
        under_way.extend(question.downgrade().map(|weak| (key, weak)));
        question
    }

    /// Asks, unless it has to be left alone.
    async fn once(
        self: Arc<Self>,
        client: Client,
        request_id: &str,
        facts: &HookFacts,
        clock: Clock,
    ) -> Answer {
        if !self.circuit.lock().lets_through(clock.now(), self.hook.timeout) {
            return Err(HookFault::Resting);
        }
        let answer = match self.request(hook_question(self.hook.format, request_id, facts)) {
            Some(request) => self.exchange(&client, request, clock.wall(self.hook.timeout)).await,
            None => Err(HookFault::Unreached),
        };
        match &answer {
            Ok(_) => self.circuit.lock().answered(),
            Err(fault) => {
                self.circuit.lock().failed(clock.now());
                tracing::warn!(hook = %self.hook.name, %fault, "a policy hook gave no decision");
            }
        }
        answer
    }

    async fn exchange(&self, client: &Client, request: Request<Full<Bytes>>, patience: Duration) -> Answer {
        let reply = client.ask(request, patience, LONGEST_ANSWER).await.map_err(|error| match error {
            Unanswered::Unreached(_) => HookFault::Unreached,
            Unanswered::TooLong => HookFault::TooLong,
            Unanswered::Timeout => HookFault::Timeout,
        })?;
        match reply.status {
            200 => hook_verdict(self.hook.format, &reply.body),
            other => Err(HookFault::Status(other)),
        }
    }

    fn request(&self, question: Vec<u8>) -> Option<Request<Full<Bytes>>> {
        let json = HeaderValue::from_static("application/json");
        let mut request = Request::post(&self.hook.url)
            .header(CONTENT_TYPE, json.clone())
            .header(ACCEPT, json)
            .body(Full::new(Bytes::from(question)))
            .ok()?;
        if let Some((name, value)) = &self.header {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Some(request)
    }
}

/// The header that shows a hook who asks.
fn header(hook: &Hook, base: &Path) -> Result<Option<(HeaderName, HeaderValue)>, SecretError> {
    let Some((name, reference)) = &hook.header else { return Ok(None) };
    let secret = read_secret(reference, base)?;
    let unsendable = || SecretError::NotAHeader(format!("of hook `{}`", hook.name));
    let name: HeaderName = name.parse().map_err(|_| unsendable())?;
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| unsendable())?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}
