//! Firewalls: their rule sets, compiled before, and what stands beside them.

use rule_table::{ActiveContent, FieldPolicy, RuleProgram, TextAction, Waf, WafAction};
use waf::leak::{Category, Kind};
use waf::shape::Measure;

use super::edge::{mode, on_failure};
use crate::manifest::{self, BodySchema, Bots, FieldClass, Leaks, Manifest, Shape};
use crate::ruleset::Programs;

pub(super) fn firewalls(manifest: &Manifest, mut programs: Programs) -> Option<Vec<Waf>> {
    let mut all = Vec::new();
    for (name, written) in &manifest.waf {
        let program = programs.remove(name).map(RuleProgram);
        if program.is_some() != written.ruleset.is_some() {
            return None;
        }
        all.push(firewall(name, written, program));
    }
    Some(all)
}

fn firewall(name: &str, written: &manifest::Waf, program: Option<RuleProgram>) -> Waf {
    let jailbreak = match (written.jailbreak, written.schema) {
        (Some(stated), _) => action(stated.action).map(|action| (action, stated.threshold)),
        (None, Some(_)) => Some((WafAction::Log, waf::jailbreak::THRESHOLD)),
        (None, None) => None,
    };
    let answers = written.answers.as_ref();
    Waf {
        name: name.to_owned(),
        program,
        fields: written.schema.map(|schema| fields(written, schema)),
        bots: written.bots.map(bots).unwrap_or_default(),
        shape: written.shape.map(shape).unwrap_or_default(),
        clamp: written.shape.is_none_or(|shape| shape.clamp),
        jailbreak,
        prompts: written.prompts.as_ref().map(leaks).unwrap_or_default(),
        answers: answers.and_then(|answers| answers.leaks.as_ref()).map(leaks).unwrap_or_default(),
        active_content: answers.and_then(active_content),
        key_failures: written.key_failures.map(|failures| (failures.limit.0, failures.block_for.0.0)),
        mode: mode(written.mode),
        on_failure: on_failure(written.on_failure),
    }
}

fn fields(written: &manifest::Waf, schema: BodySchema) -> FieldPolicy {
    let exempt = written.exempt.clone();
    let exempt = exempt.unwrap_or_else(|| vec![FieldClass::Prose, FieldClass::Code, FieldClass::Media]);
    let mut exempt: Vec<String> = exempt.into_iter().map(class).collect();
    exempt.sort_unstable();
    exempt.dedup();
    FieldPolicy {
        schema: match schema {
            BodySchema::Auto => "auto",
            BodySchema::OpenaiChat => "openai-chat",
            BodySchema::OpenaiCompletions => "openai-completions",
            BodySchema::OpenaiResponses => "openai-responses",
            BodySchema::OpenaiEmbeddings => "openai-embeddings",
            BodySchema::AnthropicMessages => "anthropic-messages",
            BodySchema::Mcp => "mcp",
            BodySchema::Custom => "custom",
        }
        .to_owned(),
        paths: written.fields.iter().map(|(path, is)| (path.clone(), class(*is))).collect(),
        exempt,
    }
}

fn class(written: FieldClass) -> String {
    use waf::fields::Class;
    let class = match written {
        FieldClass::Structure => Class::Structure,
        FieldClass::Identifier => Class::Identifier,
        FieldClass::Url => Class::Url,
        FieldClass::Prose => Class::Prose,
        FieldClass::Code => Class::Code,
        FieldClass::ToolArguments => Class::ToolArguments,
        FieldClass::Media => Class::Media,
        FieldClass::Unknown => Class::Unknown,
    };
    class.name().to_owned()
}

fn action(written: manifest::WafAction) -> Option<WafAction> {
    match written {
        manifest::WafAction::Allow => None,
        manifest::WafAction::Log => Some(WafAction::Log),
        manifest::WafAction::Block => Some(WafAction::Block),
    }
}

fn text(written: manifest::TextAction) -> Option<TextAction> {
    match written {
        manifest::TextAction::Allow => None,
        manifest::TextAction::Log => Some(TextAction::Log),
        manifest::TextAction::Mask => Some(TextAction::Mask),
        manifest::TextAction::Block => Some(TextAction::Block),
    }
}

fn bots(written: Bots) -> Vec<(String, WafAction)> {
    use manifest::WafAction::{Allow, Block, Log};
    use waf::bots::Class;
    let mut all: Vec<(String, WafAction)> = [
        (Class::Scanner, written.scanner, Block),
        (Class::ImpostorBrowser, written.impostor_browser, Log),
        (Class::Headless, written.headless, Log),
        (Class::Crawler, written.crawler, Log),
        (Class::Script, written.script, Allow),
        (Class::ApiClient, written.api_client, Allow),
        (Class::Browser, written.browser, Allow),
        (Class::Unknown, written.unknown, Allow),
    ]
    .into_iter()
    .filter_map(|(class, stated, otherwise)| {
        Some((class.name().to_owned(), action(stated.unwrap_or(otherwise))?))
    })
    .collect();
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    all
}

fn shape(written: Shape) -> Vec<(String, u64)> {
    let bytes = |bytes: Option<manifest::Bytes>| bytes.map(|bytes| bytes.0.0);
    [
        (Measure::Bytes, bytes(written.bytes)),
        (Measure::UrlBytes, bytes(written.url_bytes)),
        (Measure::HeaderBytes, bytes(written.header_bytes)),
        (Measure::Headers, written.headers),
        (Measure::Depth, written.depth),
        (Measure::Messages, written.messages),
        (Measure::LongestText, bytes(written.longest_text)),
        (Measure::AllText, bytes(written.all_text)),
        (Measure::Tools, written.tools),
        (Measure::ToolCalls, written.tool_calls),
        (Measure::Images, written.images),
        (Measure::Files, written.files),
        (Measure::StopSequences, written.stop_sequences),
        (Measure::Choices, written.choices),
        (Measure::Inputs, written.inputs),
        (Measure::MaxTokens, written.max_tokens),
    ]
    .into_iter()
    .filter_map(|(measure, limit)| Some((measure.name().to_owned(), limit?)))
    .collect()
}

fn leaks(written: &Leaks) -> Vec<(String, TextAction)> {
    let of = |kind: Kind| {
        let category = match kind.category() {
            Category::Secret => written.secrets.unwrap_or(manifest::TextAction::Log),
            Category::Personal => written.personal.unwrap_or(manifest::TextAction::Allow),
            Category::Payment => written.payment.unwrap_or(manifest::TextAction::Log),
        };
        // What misleads easily is looked for only where it is named.
        let category = if kind.is_default() { category } else { manifest::TextAction::Allow };
        let stated = written.kinds.get(kind.name()).copied().unwrap_or(category);
        Some((kind.name().to_owned(), text(stated)?))
    };
    let mut all: Vec<_> = Kind::ALL.iter().copied().filter_map(of).collect();
    all.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    all
}

fn active_content(written: &manifest::Answers) -> Option<ActiveContent> {
    let mut trusted_hosts = written.trusted_hosts.clone();
    trusted_hosts.sort_unstable();
    trusted_hosts.dedup();
    let action = text(written.active_content?)?;
    Some(ActiveContent { action, code_blocks: written.code_blocks, trusted_hosts })
}
