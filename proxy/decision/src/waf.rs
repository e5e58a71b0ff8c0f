//! Firewalls made ready to run: engines, detectors and what is remembered between requests. It owns what survives a
//! reload; it refuses to know sockets and what a rule says.

mod answer;
mod checks;
mod history;
mod kept;
mod key_failures;
mod keys;
mod lanes;
mod measure;
mod note;
mod request;
mod stream;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use rule_table::{FieldPolicy, Mode, OnFailure, Policy, TextAction, WafAction, WafId};
use vocabulary::Operation;
use waf::bots::{self, Classifier};
use waf::fields::{Class, Classes, Schema};
use waf::jailbreak::Scorer;
use waf::leak::{Detector, Kind};
use waf::output::{Inspector, Options};
use waf::program::{EngineMode, Program};
use waf::run::Engine;
use waf::shape::{Limits, Measure};

pub(crate) use history::History;
pub(crate) use kept::Kept;
pub(crate) use key_failures::KeyFailures;
pub(crate) use request::Guard;
pub use request::{CountryOf, WafRequest};
pub use stream::AnswerGuard;

/// All firewalls of a policy.
#[derive(Debug)]
pub(crate) struct Firewalls {
    all: Vec<Arc<Firewall>>,
    shared: Shared,
}

/// What needs no settings.
#[derive(Clone, Debug)]
struct Shared {
    classifier: Option<Arc<Classifier>>,
    scorer: Option<Arc<Scorer>>,
    kept: Arc<Kept>,
}

/// One firewall.
#[derive(Debug)]
pub(crate) struct Firewall {
    pub(crate) name: String,
    pub(crate) mode: Mode,
    on_failure: OnFailure,
    section: rule_table::Waf,
    rules: Rules,
    schema: Reading,
    exempt: Classes,
    bots: Vec<(bots::Class, WafAction)>,
    limits: Limits,
    prompts: Texts,
    answers: Texts,
    active: Option<(TextAction, Arc<Inspector>)>,
    history: Arc<History>,
    pub(crate) key_failures: Option<Arc<KeyFailures>>,
    shared: Shared,
}

/// The rule set of a firewall.
#[derive(Debug)]
enum Rules {
    /// There is none.
    None,
    /// It runs.
    Ready(Arc<Engine>),
    /// It could not be built, which the compiler rules out: nothing passes but by `onFailure`.
    Broken,
}

/// How bodies are read.
#[derive(Debug)]
enum Reading {
    /// Every body alike.
    Alike,
    /// As a request of this API.
    As(Arc<Schema>),
    /// As a request of the operation's own API.
    ByOperation(Vec<(&'static str, Arc<Schema>)>),
}

/// Secrets and personal data, by what is done about them.
#[derive(Debug, Default)]
struct Texts {
    actions: Vec<(Kind, TextAction)>,
    /// Finds those that are only noted.
    noted: Option<Arc<Detector>>,
    /// Finds those that are masked or refused.
    masked: Option<Arc<Detector>>,
}

impl Firewalls {
    /// Builds the engines of a policy, up to some hundred milliseconds for each rule set. Rule sets that are as they
    /// were, and what was remembered under a name, are taken over from `previous`.
    pub(crate) fn build(policy: &Policy, previous: Option<&Self>) -> Self {
        let shared = match previous {
            Some(previous) if !policy.waf.is_empty() => previous.shared.filled(),
            Some(previous) => previous.shared.clone(),
            None if policy.waf.is_empty() => Shared { classifier: None, scorer: None, kept: Arc::default() },
            None => Shared { classifier: None, scorer: None, kept: Arc::default() }.filled(),
        };
        let known = |name: &str| previous.and_then(|all| all.all.iter().find(|one| one.name == name));
        let one = |section: &rule_table::Waf| {
            let previous = known(&section.name);
            match previous {
                Some(same) if same.section == *section => Arc::clone(same),
                _ => Arc::new(Firewall::build(section, previous.map(Arc::as_ref), shared.clone())),
            }
        };
        Self { all: policy.waf.iter().map(one).collect(), shared: shared.clone() }
    }

    pub(crate) fn get(&self, id: WafId) -> Option<&Arc<Firewall>> {
        self.all.get(id as usize)
    }
}

impl Shared {
    fn filled(&self) -> Self {
        Self {
            classifier: self.classifier.clone().or_else(|| Classifier::new().ok().map(Arc::new)),
            scorer: self.scorer.clone().or_else(|| Some(Arc::new(Scorer::new()))),
            kept: Arc::clone(&self.kept),
        }
    }
}

impl Firewall {
    fn build(section: &rule_table::Waf, previous: Option<&Self>, shared: Shared) -> Self {
        let bots = section.bots.iter().filter_map(|(name, action)| {
            let class = BOTS.into_iter().find(|class| class.name() == name)?;
            Some((class, *action))
        });
        let fresh = section.key_failures.map(|(rate, block)| Arc::new(KeyFailures::new(rate, block)));
        let same = previous.filter(|previous| previous.section.key_failures == section.key_failures);
        Self {
            name: section.name.clone(),
            mode: section.mode,
            on_failure: section.on_failure,
            rules: Rules::build(section, previous),
            schema: section.fields.as_ref().map_or(Reading::Alike, Reading::of),
            exempt: section.fields.as_ref().map_or(Classes::NONE, exempt),
            bots: bots.collect(),
            limits: limits(section),
            prompts: Texts::of(&section.prompts),
            answers: Texts::of(&section.answers),
            active: section.active_content.as_ref().map(|content| {
                let trusted_hosts = content.trusted_hosts.clone();
                let options = Options { code_blocks: content.code_blocks, trusted_hosts };
                (content.action, Arc::new(Inspector::new(options)))
            }),
            // What another rule set let pass says nothing of this one.
            history: Arc::default(),
            key_failures: same.map_or(fresh, |previous| previous.key_failures.clone()),
            section: section.clone(),
            shared,
        }
    }

    /// The schema for a body, where one is read strictly.
    fn schema(&self, operation: Option<Operation>) -> Option<&Arc<Schema>> {
        match &self.schema {
            Reading::Alike => None,
            Reading::As(schema) => Some(schema),
            Reading::ByOperation(all) => {
                let name = operation.and_then(schema_name)?;
                all.iter().find(|(known, _)| *known == name).map(|(_, schema)| schema)
            }
        }
    }

    /// Whether answers are looked at.
    pub(crate) fn reads_answers(&self) -> bool {
        self.answers.any() || self.active.is_some()
    }

    fn enforces(&self) -> bool {
        self.mode == Mode::Enforce
    }
}

impl Rules {
    fn build(section: &rule_table::Waf, previous: Option<&Firewall>) -> Self {
        let Some(written) = &section.program else { return Self::None };
        let same =
            previous.filter(|one| one.section.program == section.program && one.section.mode == section.mode);
        if let Some(Self::Ready(engine)) = same.map(|one| &one.rules) {
            return Self::Ready(Arc::clone(engine));
        }
        let Ok(mut program) = postcard::from_bytes::<Program>(&written.0) else { return Self::Broken };
        if section.mode == Mode::Shadow {
            program.mode = EngineMode::DetectionOnly;
        }
        Engine::new(program).map_or(Self::Broken, |engine| Self::Ready(Arc::new(engine)))
    }
}

impl Reading {
    fn of(policy: &FieldPolicy) -> Self {
        let with_paths = |mut schema: Schema| {
            for (path, class) in &policy.paths {
                // Paths were checked when the manifest was compiled; one that is none leaves its values unknown,
                // which is the strictest.
                let _ = schema.add(path, class_named(class));
            }
            Arc::new(schema)
        };
        match policy.schema.as_str() {
            "auto" => {
                let all = Schema::NAMES.into_iter();
                Self::ByOperation(
                    all.filter_map(|name| Some((name, with_paths(Schema::named(name)?)))).collect(),
                )
            }
            "custom" => Schema::new([]).map_or(Self::Alike, |schema| Self::As(with_paths(schema))),
            name => Schema::named(name).map_or(Self::Alike, |schema| Self::As(with_paths(schema))),
        }
    }
}

impl Texts {
    fn of(written: &[(String, TextAction)]) -> Self {
        let actions: Vec<(Kind, TextAction)> =
            written.iter().filter_map(|(name, action)| Some((Kind::from_name(name)?, *action))).collect();
        let detector = |wanted: &dyn Fn(TextAction) -> bool| {
            let kinds: Vec<Kind> =
                actions.iter().filter(|(_, action)| wanted(*action)).map(|(kind, _)| *kind).collect();
            (!kinds.is_empty()).then(|| Arc::new(Detector::new(&kinds)))
        };
        let noted = detector(&|action| action == TextAction::Log);
        let masked = detector(&|action| action != TextAction::Log);
        Self { noted, masked, actions }
    }

    fn any(&self) -> bool {
        !self.actions.is_empty()
    }

    fn action(&self, kind: Kind) -> TextAction {
        let stated = self.actions.iter().find(|(known, _)| *known == kind);
        stated.map_or(TextAction::Log, |(_, action)| *action)
    }
}

const BOTS: [bots::Class; 8] = [
    bots::Class::Crawler,
    bots::Class::Script,
    bots::Class::Headless,
    bots::Class::Scanner,
    bots::Class::Browser,
    bots::Class::ApiClient,
    bots::Class::ImpostorBrowser,
    bots::Class::Unknown,
];

fn class_named(name: &str) -> Class {
    Class::ALL.into_iter().find(|class| class.name() == name).unwrap_or(Class::Unknown)
}

fn exempt(policy: &FieldPolicy) -> Classes {
    let classes: Vec<Class> = policy.exempt.iter().map(|name| class_named(name)).collect();
    Classes::of(&classes)
}

/// The schema of an operation's requests.
const fn schema_name(operation: Operation) -> Option<&'static str> {
    Some(match operation {
        Operation::Chat => "openai-chat",
        Operation::TextCompletion => "openai-completions",
        Operation::Embeddings => "openai-embeddings",
        Operation::Responses => "openai-responses",
        Operation::Messages | Operation::CountTokens => "anthropic-messages",
        Operation::ListModels => return None,
    })
}

fn limits(section: &rule_table::Waf) -> Limits {
    let mut limits = Limits { clamp_max_tokens: section.clamp, ..Limits::default() };
    for (name, most) in &section.shape {
        if let Some(measure) = Measure::ALL.iter().find(|measure| measure.name() == name) {
            limits.set(*measure, *most);
        }
    }
    limits
}
