//! The policy hook: what it is asked about a request, what its answer means, and what follows when there is
//! none. It owns the question's facts and the stance; it refuses to send, to wait and to remember answers.

use std::time::Duration;

use rule_table::{Geography, Hook, HookFormat, HookId, Mode, OnFailure};
use serde_json::{Value, json};
use vocabulary::Reason;
use vocabulary::hook::{HOOK_VERSION, HookAnswer, HookDecision, HookFacts, HookQuestion};

use crate::{Exchange, Refusal};

/// As much of a hook's message as a caller is shown, in characters.
const LONGEST_MESSAGE: usize = 300;

/// A hook's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the request may be sent on.
    pub allowed: bool,
    /// The hook's own words to the caller.
    pub message: Option<String>,
    /// How long it holds for the same facts, if the hook says so.
    pub ttl: Option<Duration>,
}

/// Why a hook gave no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HookFault {
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Timeout,
    /// It could not be reached.
    #[error("it could not be reached")]
    Unreached,
    /// Another status than 200; redirects are not followed.
    #[error("it answered with status {0}")]
    Status(u16),
    /// More than an answer can be.
    #[error("its answer is too long")]
    TooLong,
    /// Not what the contract says.
    #[error("its answer is not a decision")]
    Malformed,
    /// It failed several times in a row and is left alone for a moment.
    #[error("it failed several times in a row and is left alone for a moment")]
    Resting,
}

/// The body of a question.
#[must_use]
pub fn ask(format: HookFormat, request_id: &str, facts: &HookFacts) -> Vec<u8> {
    let question =
        HookQuestion { version: HOOK_VERSION, request_id: request_id.to_owned(), facts: facts.clone() };
    let body = match format {
        HookFormat::Plain => json!(question),
        HookFormat::Opa => json!({ "input": question }),
    };
    body.to_string().into_bytes()
}

/// Reads an answer of status 200.
///
/// # Errors
/// [`HookFault::Malformed`]: an absent decision is none, whatever else is there.
pub fn verdict(format: HookFormat, body: &[u8]) -> Result<Verdict, HookFault> {
    let mut body: Value = serde_json::from_slice(body).map_err(|_| HookFault::Malformed)?;
    if format == HookFormat::Opa {
        // An undefined rule has no result at all.
        body = body.get_mut("result").map(Value::take).ok_or(HookFault::Malformed)?;
        if let Value::Bool(allowed) = body {
            return Ok(Verdict { allowed, message: None, ttl: None });
        }
    }
    let answer: HookAnswer = serde_json::from_value(body).map_err(|_| HookFault::Malformed)?;
    let ttl =
        answer.ttl_s.map(|seconds| Duration::try_from_secs_f64(seconds).map_err(|_| HookFault::Malformed));
    let told = |message: String| {
        message.chars().filter(|c| !c.is_control()).take(LONGEST_MESSAGE).collect::<String>()
    };
    Ok(Verdict {
        allowed: answer.decision == HookDecision::Allow,
        message: answer.message.map(told).filter(|message| !message.trim().is_empty()),
        ttl: ttl.transpose()?,
    })
}

impl Exchange {
    /// The hook that has to be asked, once the route is known.
    #[must_use]
    pub fn hook(&self) -> Option<(HookId, &Hook)> {
        let id = self.route()?.hook?;
        Some((id, self.gate.policy().hooks.get(id as usize)?))
    }

    /// What the hook's decision may depend on.
    #[must_use]
    pub fn hook_facts(&self) -> HookFacts {
        let policy = self.gate.policy();
        let facts = self.facts.as_ref();
        let name = |list: &mut dyn Iterator<Item = &String>| list.next().cloned();
        HookFacts {
            route: self.route().map(|route| route.name.clone()).unwrap_or_default(),
            pool: self
                .route()
                .and_then(|route| policy.pools.get(route.pool as usize))
                .map(|pool| pool.name.clone())
                .unwrap_or_default(),
            method: self.method.as_str().to_owned(),
            consumer: name(
                &mut self.consumer.iter().filter_map(|id| Some(&policy.consumers.get(*id as usize)?.name)),
            ),
            team: name(&mut self.team.iter().filter_map(|id| Some(&policy.teams.get(*id as usize)?.name))),
            subject: self.subject.as_deref().map(str::to_owned),
            data_class: self.data_class().map(str::to_owned),
            residency: self.residency().map(Geography::to_string),
            client_country: self.country.map(|country| String::from_utf8_lossy(&country).into_owned()),
            operation: facts.map(|facts| facts.operation.path().to_owned()),
            model: facts.map(|facts| facts.model.clone()),
            prompt_tokens: facts.map(|facts| rounded(facts.prompt_tokens)),
            max_output_tokens: facts.and_then(|facts| facts.max_output_tokens).map(rounded),
            stream: facts.is_some_and(|facts| facts.stream),
        }
    }

    /// Takes the hook's decision, or its stance where there is none.
    ///
    /// # Errors
    /// [`Reason::HookRefused`], [`Reason::HookUnavailable`].
    pub fn hooked(&mut self, hook: &Hook, answer: Result<Verdict, HookFault>) -> Result<(), Refusal> {
        let refusal = match answer {
            Ok(Verdict { allowed: true, .. }) => return Ok(()),
            Ok(Verdict { message, .. }) => {
                let words = message.unwrap_or_else(|| {
                    "the operator's policy does not allow this request; ask the operator".to_owned()
                });
                Refusal::new(Reason::HookRefused, words)
            }
            Err(_) if hook.on_failure == OnFailure::Open => return Ok(()),
            Err(_) => Refusal::new(
                Reason::HookUnavailable,
                "the operator's policy service does not answer, and nothing goes on without it; try again shortly",
            )
            .with_retry_after(Some(Duration::from_secs(1))),
        };
        if hook.mode == Mode::Enforce {
            return Err(refusal);
        }
        if !self.would_refuse.contains(&refusal.reason) {
            self.would_refuse.push(refusal.reason);
        }
        Ok(())
    }
}

/// Rounded up to a power of two, so that requests of about one size ask the same question.
fn rounded(tokens: u64) -> u64 {
    tokens.checked_next_power_of_two().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> Result<Verdict, HookFault> {
        verdict(HookFormat::Plain, text.as_bytes())
    }

    #[test]
    fn an_answer_decides_and_may_say_why_and_for_how_long() {
        let answer =
            plain(r#"{"decision": "deny", "message": "no\n budget", "ttl_s": 1.5, "more": 1}"#).unwrap();
        let told = Verdict {
            allowed: false,
            message: Some("no budget".to_owned()),
            ttl: Some(Duration::from_millis(1500)),
        };
        assert_eq!(answer, told);
        assert!(plain(r#"{"decision": "allow"}"#).unwrap().allowed);
    }

    #[test]
    fn what_is_no_decision_is_a_fault_and_never_a_yes() {
        for text in [
            "",
            "{}",
            "true",
            "[]",
            r#"{"decision": "ALLOW"}"#,
            r#"{"decision": true}"#,
            r#"{"result": true}"#,
            r#"{"decision": "allow", "ttl_s": -1}"#,
            r#"{"decision": "allow", "ttl_s": 1e300}"#,
            r#"{"decision": "allow"} {}"#,
        ] {
            assert_eq!(plain(text), Err(HookFault::Malformed), "{text}");
        }
        for text in ["{}", r#"{"result": {}}"#, r#"{"result": "yes"}"#, r#"{"decision": "allow"}"#] {
            assert_eq!(verdict(HookFormat::Opa, text.as_bytes()), Err(HookFault::Malformed), "{text}");
        }
    }

    #[test]
    fn open_policy_agent_answers_under_result() {
        let opa = |text: &str| verdict(HookFormat::Opa, text.as_bytes()).unwrap();
        assert!(opa(r#"{"result": true}"#).allowed);
        assert!(!opa(r#"{"result": {"decision": "deny"}}"#).allowed);
        let asked: Value = serde_json::from_slice(&ask(HookFormat::Opa, "r", &HookFacts::default())).unwrap();
        assert_eq!(asked["input"]["version"], 1);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_say_yes_by_chance(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            for format in [HookFormat::Plain, HookFormat::Opa] {
                prop_assert!(!verdict(format, &bytes).is_ok_and(|verdict| verdict.allowed));
            }
        }
    }
}
