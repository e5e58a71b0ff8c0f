//! `sluicegate waf tune`: from the access log of a firewall to exclusions one could write. It owns counting and the
//! words; what an exclusion opens is the compiler's proof.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, stdin};
use std::path::{Path, PathBuf};

use policy_compiler::{compile, opens};
use rule_table::RuleProgram;
use serde::Serialize;
use vocabulary::access_log::{AccessLogRecord, WafOutcome, WafRule};

use super::super::{BAD_INPUT, Output, complain, say};
use crate::policy::ManifestFiles;

const EXAMPLES: &str = "\
Examples:
  sluicegate waf tune --log access.jsonl
  sluicegate waf tune --log access.jsonl --manifest gateway.yaml     proves what each exclusion opens
  zcat access.jsonl.gz | sluicegate waf tune --log - --output json | jq '.[].exclusions'

Attacks are in the log too: what one caller alone sends is more likely one than what many send.
Exit codes: 0 proposals or none needed, 2 bad input.";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TuneArgs {
    /// The access log of a gateway whose firewall is in shadow mode; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    log: PathBuf,
    /// The manifest whose rules tell what an exclusion opens
    #[arg(long, short, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Proposals for fewer requests than this are left out
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    at_least: usize,
    /// How to write them
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// What one firewall's log asks for.
#[derive(Debug, Serialize)]
struct Tuning {
    firewall: String,
    /// Requests it refused, or would have, by rules.
    requests: usize,
    exclusions: Vec<Proposal>,
}

/// An exclusion one could write.
#[derive(Debug, Serialize)]
struct Proposal {
    rule: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<String>,
    /// As ModSecurity names it; absent where what matched has no plain name.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// Requests in which it matched there.
    requests: usize,
    /// Those in which no other rule matched.
    alone: usize,
    consumers: usize,
    /// Families that nothing would look for there any more; absent where no manifest was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    opens: Option<Vec<String>>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: usize,
    alone: usize,
    consumers: BTreeSet<Option<String>>,
    family: Option<String>,
}

/// By firewall: its requests, and what was seen of each rule at each target.
type Counts = BTreeMap<String, (usize, BTreeMap<(u32, Option<String>), Seen>)>;

pub(super) fn run(args: &TuneArgs) -> Result<u8, u8> {
    let counts = counted(&args.log).map_err(|why| {
        complain(&format!("sluicegate: {} is no access log: {why}\n", args.log.display()));
        BAD_INPUT
    })?;
    let programs = args.manifest.as_deref().map(programs).transpose()?;
    let tunings: Vec<Tuning> = counts
        .into_iter()
        .map(|(firewall, (requests, seen))| {
            let program = programs.as_ref().and_then(|programs| programs.get(&firewall));
            let mut exclusions: Vec<Proposal> = seen
                .into_iter()
                .map(|((rule, target), seen)| proposal(rule, target, seen, program))
                .collect();
            exclusions.retain(|one| one.requests >= args.at_least);
            exclusions.sort_by(|a, b| b.requests.cmp(&a.requests).then(a.rule.cmp(&b.rule)));
            Tuning { firewall, requests, exclusions }
        })
        .collect();
    match args.output {
        Output::Json => super::json(&tunings)?,
        Output::Text if tunings.is_empty() => {
            say("nothing to tune: no rule refused, or would have refused, a request\n")
        }
        Output::Text => tunings.iter().for_each(|tuning| say(&tuning.to_string())),
    }
    Ok(0)
}

fn counted(log: &Path) -> Result<Counts, String> {
    let reader: Box<dyn BufRead> = if log.as_os_str() == "-" {
        Box::new(stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(log).map_err(|error| error.to_string())?))
    };
    let mut counts = Counts::new();
    for (number, line) in (1..).zip(reader.lines()) {
        let line = line.map_err(|error| error.to_string())?;
        if line.trim().is_empty() {
            continue;
        }
        let record: AccessLogRecord =
            serde_json::from_str(&line).map_err(|error| format!("line {number}: {error}"))?;
        count(&mut counts, record);
    }
    Ok(counts)
}

fn count(counts: &mut Counts, record: AccessLogRecord) {
    let Some(waf) = record.waf.filter(|waf| waf.outcome >= WafOutcome::WouldRefuse && waf.rule.is_some())
    else {
        return;
    };
    let scoring: BTreeSet<(u32, Option<String>)> =
        waf.rules.iter().filter(|rule| finds(rule)).map(|rule| (rule.id, selector(rule))).collect();
    let (requests, seen) = counts.entry(waf.firewall).or_default();
    *requests += 1;
    for one in &scoring {
        let rule = waf.rules.iter().find(|rule| rule.id == one.0);
        let seen = seen.entry(one.clone()).or_default();
        seen.requests += 1;
        seen.alone += usize::from(scoring.len() == 1);
        seen.consumers.insert(record.consumer.clone());
        seen.family = rule.and_then(|rule| rule.family.clone());
    }
}

/// Rules that sum others up find nothing themselves.
fn finds(rule: &WafRule) -> bool {
    rule.family.as_deref() != Some("generic")
        && rule.target.as_deref().is_none_or(|target| !target.starts_with("TX"))
}

/// What matched, in the words of an exclusion; elements of a list are any of them.
fn selector(rule: &WafRule) -> Option<String> {
    let target = rule.target.as_deref()?;
    let Some((variable, name)) = target.split_once(':') else { return Some(target.to_owned()) };
    match name {
        "*" => None,
        name if name.split('.').any(|step| step == "*") => {
            let step =
                |step: &str| if step == "*" { r"array_[0-9]+".to_owned() } else { step.replace('-', r"\-") };
            let steps: Vec<String> = name.split('.').map(step).collect();
            Some(format!("{variable}:/^{}$/", steps.join(r"\.")))
        }
        name => Some(format!("{variable}:{name}")),
    }
}

fn proposal(rule: u32, target: Option<String>, seen: Seen, program: Option<&RuleProgram>) -> Proposal {
    let opens = program.zip(target.as_deref()).and_then(|(program, target)| {
        let opened = opens(&program.0, rule, target)?;
        Some(opened.into_iter().map(|opened| opened.family).collect())
    });
    let consumers = seen.consumers.len();
    Proposal {
        rule,
        family: seen.family,
        target,
        requests: seen.requests,
        alone: seen.alone,
        consumers,
        opens,
    }
}

/// The compiled rules of every firewall of a manifest.
fn programs(manifest: &Path) -> Result<BTreeMap<String, RuleProgram>, u8> {
    let source = ManifestFiles::new(manifest, &[]).read().map_err(|(file, error)| {
        complain(&format!("sluicegate: {} cannot be read: {error}\n", file.display()));
        BAD_INPUT
    })?;
    let outcome = compile(&source);
    let Some(bundle) = outcome.bundle else {
        complain(&format!(
            "sluicegate: {} does not compile; `sluicegate check` tells why\n",
            manifest.display()
        ));
        return Err(BAD_INPUT);
    };
    Ok(bundle.into_policy().waf.into_iter().filter_map(|waf| Some((waf.name, waf.program?))).collect())
}

impl fmt::Display for Tuning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "firewall `{}`: {} requests refused or to be refused by rules",
            self.firewall, self.requests
        )?;
        for one in &self.exclusions {
            writeln!(
                f,
                "\n  {:<8}{}",
                one.rule,
                one.target.as_deref().unwrap_or("(a name that is not told)")
            )?;
            let family = one.family.as_deref().unwrap_or("no family");
            writeln!(
                f,
                "          {family}; {} requests of {} consumers, {} by this rule alone",
                one.requests, one.consumers, one.alone
            )?;
            match &one.opens {
                None => {}
                Some(families) if families.is_empty() => {
                    writeln!(f, "          opens nothing: other rules of its family still look there")?;
                }
                Some(families) => {
                    writeln!(f, "          OPENS {}: no other rule looks for it there", families.join(", "))?;
                }
            }
        }
        let named = self.exclusions.iter().filter_map(|one| Some((one, one.target.as_deref()?)));
        let lines: Vec<String> = (1..)
            .zip(named)
            .map(|(number, (one, target))| {
                format!("      tuned-{number}: {{rules: {}, target: {}}}\n", one.rule, quoted(target))
            })
            .collect();
        if lines.is_empty() {
            return Ok(());
        }
        write!(f, "\nwaf:\n  {}:\n    exclusions:\n{}", self.firewall, lines.concat())
    }
}

/// In single quotes, as YAML has them: nothing but the quote itself is special.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(outcome: &str, consumer: &str, target: &str) -> String {
        format!(
            r#"{{"v":1,"arrival_ms":1,"request_id":"r","method":"POST","stream":false,"status":200,"duration_ms":1.0,"overhead_us":1,"cost_nanos":0,"bundle":"b","consumer":"{consumer}","waf":{{"firewall":"chat","outcome":"{outcome}","rule":949110,"rules":[{{"id":942100,"family":"sqli","target":"{target}"}},{{"id":949110,"family":"generic","target":"TX:anomaly_score"}}]}}}}"#
        )
    }

    #[test]
    fn rules_that_would_have_refused_become_exclusions_for_what_matched() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.jsonl");
        let lines = [
            line("would_refuse", "a", "ARGS:json.messages.*.name"),
            line("would_refuse", "b", "ARGS:json.messages.*.name"),
            line("noted", "c", "ARGS:other"),
            line("refused", "c", "ARGS:*"),
        ];
        std::fs::write(&log, lines.join("\n")).unwrap();
        let counts = counted(&log).unwrap();
        let (requests, seen) = &counts["chat"];
        assert_eq!((*requests, seen.len()), (3, 2));
        let named = &seen[&(942_100, Some(r"ARGS:/^json\.messages\.array_[0-9]+\.name$/".to_owned()))];
        assert_eq!((named.requests, named.alone, named.consumers.len()), (2, 2, 2));
        assert!(seen.contains_key(&(942_100, None)));
    }

    #[test]
    fn a_line_that_is_none_is_told_by_its_number() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.jsonl");
        std::fs::write(&log, format!("{}\nnonsense\n", line("noted", "a", "ARGS:a"))).unwrap();
        assert!(counted(&log).unwrap_err().starts_with("line 2: "));
    }
}
