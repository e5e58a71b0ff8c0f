//! The access control list, in the order in which its rules are asked.

use rule_table::{AclAction, AclConditions, AclRule, BotClass, HeaderCondition, HostMatch, PathMatch};

use super::doors::{codes, nets, sorted};
use super::{Ids, edge, ids, references};
use crate::manifest::{self, HeaderValues, Manifest};
use crate::resolve;

/// The status of a refusal that states none.
const FORBIDDEN: u16 = 403;

pub(crate) fn acl(manifest: &Manifest) -> Option<Vec<AclRule>> {
    let listeners = ids(manifest.listeners.keys());
    let side = |written: Option<&manifest::AclConditions>| {
        written.map_or_else(|| Some(AclConditions::default()), |written| conditions(written, &listeners))
    };
    let one = |(name, rule): (&String, &manifest::AclRule)| {
        Some(AclRule {
            name: name.clone(),
            priority: rule.priority,
            when: side(rule.when.as_ref())?,
            unless: side(rule.unless.as_ref())?.into(),
            action: match rule.action {
                manifest::AclAction::Allow => AclAction::Allow,
                manifest::AclAction::Block => AclAction::Block(rule.status.unwrap_or(FORBIDDEN)),
                manifest::AclAction::Log => AclAction::Log,
            },
            mode: edge::mode(rule.mode),
            on_failure: edge::on_failure(rule.on_failure),
        })
    };
    let mut rules: Vec<AclRule> = manifest.acl.iter().map(one).collect::<Option<_>>()?;
    // Stable: rules of one priority do the same wherever both apply, and stay in the order of names.
    rules.sort_by_key(|rule| rule.priority);
    Some(rules)
}

fn conditions(written: &manifest::AclConditions, listeners: &Ids) -> Option<AclConditions> {
    let hosts: Vec<HostMatch> =
        written.host.0.iter().map(|text| resolve::host(text).ok()).collect::<Option<_>>()?;
    let paths: Vec<PathMatch> =
        written.path.0.iter().map(|text| resolve::path(text).ok()).collect::<Option<_>>()?;
    let header = |(name, values): (&String, &HeaderValues)| HeaderCondition {
        name: name.to_ascii_lowercase(),
        values: sorted(values.wanted().to_vec()),
    };
    let patterns = written.user_agent.0.iter().map(|text| text.to_ascii_lowercase()).collect();
    Some(AclConditions {
        listeners: references(&written.listener.0, listeners)?,
        networks: nets(&written.address.0)?,
        countries: codes(&written.country),
        methods: sorted(written.method.0.clone()),
        hosts: sorted(hosts),
        paths: sorted(paths),
        headers: sorted(written.header.iter().map(header).collect()),
        user_agents: sorted(patterns),
        bots: sorted(written.bot.iter().copied().map(bot).collect()),
        body_over: written.body_over.map(|bytes| bytes.0.0),
    })
}

const fn bot(class: manifest::BotClass) -> BotClass {
    match class {
        manifest::BotClass::SearchEngine => BotClass::SearchEngine,
        manifest::BotClass::AiCrawler => BotClass::AiCrawler,
        manifest::BotClass::Scraper => BotClass::Scraper,
        manifest::BotClass::HeadlessBrowser => BotClass::HeadlessBrowser,
        manifest::BotClass::HttpLibrary => BotClass::HttpLibrary,
        manifest::BotClass::ModelClient => BotClass::ModelClient,
        manifest::BotClass::Monitor => BotClass::Monitor,
        manifest::BotClass::Unnamed => BotClass::Unnamed,
    }
}
