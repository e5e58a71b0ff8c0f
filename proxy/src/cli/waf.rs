//! `sluicegate waf`: what a rule set holds, and what it says of a request. It owns reading files and how results are
//! shown; rules are compiled by `policy-compiler` and run by `waf`.

mod shown;
mod tune;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use clap::Subcommand;
use foresight::Request;
use policy_compiler::seclang::{Loaded, Settings, entry, load};
use waf::fields::{self, Bounds, Classes, Schema};
use waf::program::EngineMode;
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside};

use super::explain::read_request;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::rule_files::Disk;
use shown::Told;

const EXAMPLES: &str = "\
Examples:
  sluicegate waf import /usr/share/modsecurity-crs
  sluicegate waf test --rules /usr/share/modsecurity-crs --request req.http
  pbpaste | sluicegate waf test --rules coreruleset-4.28.0 --request - --schema openai-chat --output json
  sluicegate waf tune --log access.jsonl --manifest gateway.yaml";

/// Read rule sets of the web application firewall and try them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Compile a rule set and tell what was read
    Import(ImportArgs),
    /// Show what a rule set says of a request: scores, rules and what matched
    Test(TestArgs),
    /// Propose exclusions from the access log of a firewall in shadow mode
    Tune(tune::TuneArgs),
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  sluicegate waf import /usr/share/modsecurity-crs             Debian's package
  sluicegate waf import coreruleset-4.28.0 --paranoia 2 --output json | jq .kept

Exit codes: 0 it compiles, 2 it does not; each fault is told with file and line.";

#[derive(Debug, clap::Args)]
#[command(after_help = IMPORT_EXAMPLES)]
struct ImportArgs {
    /// A release of OWASP CRS, the folder of Debian's package, or a folder of `.conf` files
    folder: PathBuf,
    #[command(flatten)]
    how: How,
    /// How to write the report
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Flags that say how a rule set is compiled.
#[derive(Debug, Clone, clap::Args)]
struct How {
    /// The setup file; found beside the rules or where Debian keeps it otherwise
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,
    /// Rules up to this paranoia level score; the setup's otherwise
    #[arg(long, value_name = "LEVEL", value_parser = clap::value_parser!(u8).range(1..=4))]
    paranoia: Option<u8>,
    /// The score a request is refused at; the setup's otherwise
    #[arg(long, value_name = "SCORE")]
    threshold: Option<u32>,
}

const TEST_EXAMPLES: &str = "\
Examples:
  sluicegate waf test --rules /usr/share/modsecurity-crs --request req.http
  sluicegate waf test --rules /usr/share/modsecurity-crs --request chat.http --schema openai-chat
  pbpaste | sluicegate waf test --rules coreruleset-4.28.0 --request - --output json | jq .rules

What matched is shown as it was sent: keep it to yourself.
Exit codes: 0 it would pass, 1 it would be refused, 2 bad input.";

#[derive(Debug, clap::Args)]
#[command(after_help = TEST_EXAMPLES)]
struct TestArgs {
    /// The folder with the rules, as for `import`
    #[arg(long, value_name = "FOLDER")]
    rules: PathBuf,
    /// The request, as raw HTTP or as a curl command line; `-` reads standard input
    #[arg(long, short, value_name = "FILE")]
    request: PathBuf,
    #[command(flatten)]
    how: How,
    /// Read the body strictly as a request of this API, and leave what people say out
    #[arg(long, value_name = "API", value_parser = clap::builder::PossibleValuesParser::new(Schema::NAMES))]
    schema: Option<String>,
    /// The client's address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    from: IpAddr,
    /// How to write what is told
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(args: &Args) -> u8 {
    let done = match &args.what {
        What::Import(args) => import(args),
        What::Test(args) => test(args),
        What::Tune(args) => tune::run(args),
    };
    done.unwrap_or_else(|code| code)
}

fn import(args: &ImportArgs) -> Result<u8, u8> {
    let begin = Instant::now();
    let loaded = compiled(&args.folder, &args.how)?;
    let took = begin.elapsed();
    match args.output {
        Output::Json => json(&loaded.report)?,
        Output::Text => say(&format!("{}compiled   in {} ms\n", loaded.report, took.as_millis())),
    }
    Ok(0)
}

/// Compiles a folder's rules; every fault is told.
fn compiled(folder: &Path, how: &How) -> Result<Loaded, u8> {
    let files = Disk::default();
    let setup = how.setup.as_ref().map(|path| path.display().to_string());
    let entry = entry(&files, &folder.display().to_string(), setup.as_deref()).map_err(|why| {
        complain(&format!(
            "sluicegate: {why}; name a folder with rules, such as /usr/share/modsecurity-crs\n"
        ));
        BAD_INPUT
    })?;
    let settings = Settings {
        mode: Some(EngineMode::On),
        paranoia: how.paranoia,
        inbound_threshold: how.threshold,
        ..Settings::default()
    };
    load(&files, &entry, &settings).map_err(|faults| {
        for fault in &faults {
            complain(&format!("{fault}\n"));
        }
        complain(&format!("sluicegate: {} does not compile: {} to fix\n", folder.display(), faults.len()));
        BAD_INPUT
    })
}

fn json<T: serde::Serialize>(told: &T) -> Result<(), u8> {
    match serde_json::to_string(told) {
        Ok(json) => {
            say(&(json + "\n"));
            Ok(())
        }
        Err(error) => {
            complain(&format!("sluicegate: the result cannot be written: {error}\n"));
            Err(FAILURE)
        }
    }
}

fn test(args: &TestArgs) -> Result<u8, u8> {
    let bytes = read_request(&args.request)?;
    let request = Request::parse(&bytes).map_err(|fault| {
        complain(&format!("sluicegate: {} is no request: {fault}\n", args.request.display()));
        BAD_INPUT
    })?;
    let loaded = compiled(&args.rules, &args.how)?;
    let engine = Engine::new(loaded.program).map_err(|error| {
        complain(&format!("sluicegate: the rules cannot be run: {error}\n"));
        FAILURE
    })?;
    let inspection = inspected(Arc::new(engine), args, &request)?;
    let told = Told::of(&inspection);
    match args.output {
        Output::Json => json(&told)?,
        Output::Text => say(&told.to_string()),
    }
    Ok(u8::from(told.refused.is_some()))
}

fn inspected(engine: Arc<Engine>, args: &TestArgs, request: &Request) -> Result<Inspection, u8> {
    let circumstances = Circumstances {
        client: SocketAddr::new(args.from, 0),
        server: SocketAddr::from(([127, 0, 0, 1], 80)),
        unique_id: "test".to_owned(),
        epoch_seconds: crate::clock::unix_nanos()
            .checked_div(1_000_000_000)
            .unwrap_or_default()
            .cast_signed(),
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(engine, circumstances);
    let mark = if request.query.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", request.path, request.query);
    let headers = request
        .headers
        .iter()
        .map(|(name, value)| Pair { name: name.as_str().into(), value: value.as_bytes().to_vec() })
        .collect();
    let line =
        Line { method: request.method.as_str().as_bytes(), target: target.as_bytes(), protocol: b"HTTP/1.1" };
    inspection.request_head(&line, headers);
    match args.schema.as_deref().and_then(Schema::named) {
        Some(schema) => {
            let read = fields::read(&schema, &request.body, &Bounds::default(), Classes::default());
            let read = read.map_err(|fault| {
                complain(&format!("sluicegate: the body would be refused before any rule: {fault}\n"));
                FAILURE
            })?;
            inspection.request_fields(&read, Classes::default());
        }
        None => {
            inspection.request_body(&request.body);
        }
    }
    inspection.finish();
    Ok(inspection)
}
