//! One request on its way through the phases. It owns their order, what stops them and what is told afterwards; it
//! refuses reading bytes from anywhere and answering the caller.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::evaluate::Run;
use super::facts::Facts;
use super::memo::Memo;
use super::screen::{self, Screened};
use super::state::{Allowed, State, View};
use super::vars::Vars;
use super::{Engine, read};
use crate::fields::{Classes, Fields};
use crate::program::{Collection, EngineMode, Phase, Variable};
use crate::request::{Line, Pair};

/// What only the host can know.
pub trait Outside: Send + Sync {
    /// The ISO 3166 code of the country of an address, from the host's country data.
    fn country(&self, address: IpAddr) -> Option<String>;
    /// A collection kept across requests (`IP`, `GLOBAL`, …), what has expired left out.
    fn load(&self, collection: Collection, key: &[u8]) -> Vars;
    /// Keeps it; `expiries` are names with the second, since 1970, they end at.
    fn save(&self, collection: Collection, key: &[u8], vars: &Vars, expiries: &[(Vec<u8>, i64)]);
}

/// No country data, nothing kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingOutside;

impl Outside for NothingOutside {
    fn country(&self, _: IpAddr) -> Option<String> {
        None
    }

    fn load(&self, _: Collection, _: &[u8]) -> Vars {
        Vars::default()
    }

    fn save(&self, _: Collection, _: &[u8], _: &Vars, _: &[(Vec<u8>, i64)]) {}
}

/// Under which circumstances a request arrived.
#[derive(Clone)]
pub struct Circumstances {
    /// Who sent it.
    pub client: SocketAddr,
    /// Where it arrived.
    pub server: SocketAddr,
    /// The request's id: `UNIQUE_ID`.
    pub unique_id: String,
    /// Seconds since 1970, UTC.
    pub epoch_seconds: i64,
    /// What only the host can know.
    pub outside: Arc<dyn Outside>,
}

impl Circumstances {
    pub(crate) fn time(&self, variable: Variable) -> Option<Vec<u8>> {
        let at = jiff::Timestamp::from_second(self.epoch_seconds).ok()?.to_zoned(jiff::tz::TimeZone::UTC);
        Some(
            match variable {
                Variable::Time => format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second()),
                Variable::TimeDay => at.day().to_string(),
                Variable::TimeEpoch => self.epoch_seconds.to_string(),
                Variable::TimeHour => at.hour().to_string(),
                Variable::TimeMin => at.minute().to_string(),
                Variable::TimeMon => at.month().saturating_sub(1).to_string(),
                Variable::TimeSec => at.second().to_string(),
                Variable::TimeWday => at.weekday().to_sunday_zero_offset().to_string(),
                Variable::TimeYear => at.year().to_string(),
                _ => return None,
            }
            .into_bytes(),
        )
    }
}

/// A rule that matched and is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Its place in the program.
    pub rule: u32,
    /// Its id.
    pub id: u32,
    /// Its message, expanded.
    pub message: Vec<u8>,
    /// Its log data, expanded: quotes the request, so it is for the operator's own eyes.
    pub data: Vec<u8>,
    /// Which variable and name matched last: `ARGS:id`.
    pub target: Vec<u8>,
}

/// The request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status that the rule asks for.
    pub status: u16,
    /// The rule's id.
    pub rule: u32,
}

/// One request being inspected. Each phase is fed once, in order.
pub struct Inspection {
    engine: Arc<Engine>,
    circumstances: Circumstances,
    facts: Facts,
    memo: Memo,
    screened: Screened,
    state: State,
    content_type: Option<Vec<u8>>,
}

impl Inspection {
    /// Begins an inspection.
    #[must_use]
    pub fn new(engine: Arc<Engine>, circumstances: Circumstances) -> Self {
        let mut facts = Facts::new();
        read::connection(&mut facts, &circumstances);
        let state = State::new(&engine);
        Self {
            engine,
            circumstances,
            facts,
            memo: Memo::default(),
            screened: Screened::default(),
            state,
            content_type: None,
        }
    }

    /// Values that stand elsewhere and are read as input all the same: arguments like those of the query. Before
    /// [`Inspection::request_head`].
    pub fn more_arguments(&mut self, arguments: Vec<Pair>) {
        read::more_arguments(&self.engine, &mut self.facts, arguments);
    }

    /// The rules, by the places that matches name.
    #[must_use]
    pub fn rules(&self) -> &[crate::program::Rule] {
        &self.engine.program.rules
    }

    /// Phase 1: the request's head.
    pub fn request_head(&mut self, line: &Line<'_>, headers: Vec<Pair>) -> Option<Refusal> {
        self.content_type = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case(b"content-type"))
            .map(|header| header.value.clone());
        read::request_head(&self.engine, &mut self.facts, line, headers);
        self.phase(Phase::RequestHeaders)
    }

    /// Phase 2: the request's body, empty when there is none.
    pub fn request_body(&mut self, body: &[u8]) -> Option<Refusal> {
        if self.is_over() {
            return self.refusal();
        }
        read::request_body(&self.engine, &mut self.facts, &self.state, body, self.content_type.as_deref());
        self.phase(Phase::RequestBody)
    }

    /// Phase 2 for a body of a model API that was read strictly: strings of `exempt` classes are not shown to rules.
    pub fn request_fields(&mut self, fields: &Fields, exempt: Classes) -> Option<Refusal> {
        if self.is_over() {
            return self.refusal();
        }
        read::request_fields(&self.engine, &mut self.facts, &self.state, fields, exempt);
        self.phase(Phase::RequestBody)
    }

    /// Phase 3: the answer's head.
    pub fn response_head(&mut self, status: u16, protocol: &[u8], headers: Vec<Pair>) -> Option<Refusal> {
        if self.is_over() {
            return self.refusal();
        }
        read::response_head(&mut self.facts, status, protocol, headers);
        self.phase(Phase::ResponseHeaders)
    }

    /// Phase 4: the answer's body.
    pub fn response_body(&mut self, body: &[u8]) -> Option<Refusal> {
        if self.is_over() {
            return self.refusal();
        }
        if self.state.response_body {
            read::response_body(&self.engine, &mut self.facts, body);
        }
        self.phase(Phase::ResponseBody)
    }

    /// Phase 5, and what is kept across requests is kept.
    pub fn finish(&mut self) {
        if self.state.mode == EngineMode::Off {
            return;
        }
        self.state.allowed = Allowed::Nothing;
        self.run(Phase::Logging);
        for kept in &self.state.kept {
            self.circumstances.outside.save(kept.collection, &kept.key, &kept.vars, &kept.expiries);
        }
    }

    /// Rules that matched and are told, in the order they did.
    #[must_use]
    pub fn matches(&self) -> &[Match] {
        &self.state.matches
    }

    /// The refusal, when there is one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.state.refusal
    }

    /// What detection alone would have refused.
    #[must_use]
    pub fn would_refuse(&self) -> Option<Refusal> {
        self.state.would_refuse
    }

    /// A number of `TX`, such as `anomaly_score`.
    #[must_use]
    pub fn score(&self, name: &str) -> Option<i64> {
        let view = View {
            engine: &self.engine,
            facts: &self.facts,
            state: &self.state,
            circumstances: &self.circumstances,
            rule: 0,
        };
        view.tx(name.as_bytes()).map(super::vars::number)
    }

    /// Whether answers' bodies are wanted, and of this content type.
    #[must_use]
    pub fn wants_response_body(&self, content_type: &str) -> bool {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let types = &self.engine.program.reading.response_body_types;
        self.state.response_body && types.iter().any(|one| one.eq_ignore_ascii_case(essence))
    }

    fn is_over(&self) -> bool {
        self.state.refusal.is_some() || self.state.mode == EngineMode::Off
    }

    fn phase(&mut self, phase: Phase) -> Option<Refusal> {
        let request = phase <= Phase::RequestBody;
        match self.state.allowed {
            Allowed::All => return None,
            Allowed::Request if request => return None,
            _ => self.state.allowed = Allowed::Nothing,
        }
        self.run(phase);
        self.state.refusal
    }

    fn run(&mut self, phase: Phase) {
        let engine = Arc::clone(&self.engine);
        let rules = if engine.shortcuts.gates {
            let mut cache = engine.take_cache();
            let rules =
                screen::rules(&engine, phase, &self.facts, &mut self.memo, &mut self.screened, &mut cache);
            engine.give_cache(cache);
            rules
        } else {
            engine.screen.all(phase)
        };
        let mut run = Run {
            engine: &engine,
            phase,
            facts: &self.facts,
            memo: &mut self.memo,
            screened: &self.screened,
            state: &mut self.state,
            circumstances: &self.circumstances,
            go_to: 0,
        };
        let logging = phase == Phase::Logging;
        for place in rules.iter() {
            if place < run.go_to || (!run.state.removed.is_empty() && run.state.is_removed(place)) {
                continue;
            }
            run.rule(place);
            let stopped = run.state.refusal.is_some() || run.state.allowed != Allowed::Nothing;
            if run.state.mode == EngineMode::Off || (stopped && !logging) {
                break;
            }
        }
    }
}
