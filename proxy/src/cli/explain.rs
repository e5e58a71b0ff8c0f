//! `sluicegate explain`: the long form of a finding's code; or what a policy would do with a request. It owns
//! reading files, clock and database of countries; what is foreseen is `foresight`'s.

use std::io::{IsTerminal, Read, stdout};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use decision::Country;
use foresight::{Circumstances, Outcome, Request};
use jiff::Timestamp;
use rule_table::Bundle;

use super::output::{Overlays, colour};
use super::policy::read_policy;
use super::{BAD_INPUT, FAILURE, Output, complain, say};
use crate::clock::unix_nanos;
use crate::countries::Countries;

const EXAMPLES: &str = "\
Examples:
  sluicegate explain SG0301
  sluicegate explain -m gateway.yaml --request req.http
  pbpaste | sluicegate explain -m gateway.yaml --request -          a curl command line, for example
  sluicegate explain -m gateway.yaml --request req.http --from 10.1.2.3 --consumer claims-bot
  sluicegate explain -m gateway.yaml --request req.http --at 2026-11-23T09:00Z --output json | jq .route

Exit codes: 0 it would be sent on or answered, 1 it would be refused, 2 bad input.";

/// Explain a code or a request.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A code such as SG0301
    #[arg(required_unless_present = "manifest", conflicts_with = "manifest")]
    code: Option<String>,
    /// Manifest in YAML or JSON, or a bundle; `-` reads standard input
    #[arg(long, short, requires = "request")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    overlays: Overlays,
    /// The request, as raw HTTP or as a curl command line; `-` reads standard input
    #[arg(long, short, value_name = "FILE", requires = "manifest")]
    request: Option<PathBuf>,
    /// The client's address, as the gateway would take it
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "manifest")]
    from: IpAddr,
    /// The listener it comes by; the first by name where there are several
    #[arg(long, value_name = "NAME", requires = "manifest")]
    listener: Option<String>,
    /// Take this consumer for the caller, whatever key or token the request has
    #[arg(long, value_name = "NAME", requires = "manifest")]
    consumer: Option<String>,
    /// The country of its address, two letters; looked up in the manifest's database otherwise
    #[arg(long, value_name = "CODE", value_parser = country_code, requires = "manifest")]
    country: Option<Country>,
    /// When it arrives, such as 2026-11-23T09:00Z; now otherwise
    #[arg(long, value_name = "TIME", value_parser = moment, requires = "manifest")]
    at: Option<u64>,
    /// How to write what is told
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

fn country_code(text: &str) -> Result<Country, String> {
    let code: Option<Country> = text.to_ascii_uppercase().into_bytes().try_into().ok();
    code.filter(|code| code.iter().all(u8::is_ascii_uppercase))
        .ok_or_else(|| "a country has two letters (ISO 3166-1), such as SE".to_owned())
}

/// In Unix nanoseconds.
fn moment(text: &str) -> Result<u64, String> {
    let at: Option<Timestamp> = text.parse().ok();
    at.and_then(|at| u64::try_from(at.as_nanosecond()).ok())
        .ok_or_else(|| "write a time since 1970 with its zone, such as 2026-11-23T09:00Z".to_owned())
}

pub(super) fn run(args: &Args) -> u8 {
    match (&args.code, &args.manifest, &args.request) {
        (None, Some(manifest), Some(request)) => foresee(args, manifest, request).unwrap_or_else(|code| code),
        (Some(code), ..) => explain_code(code),
        _ => BAD_INPUT,
    }
}

fn explain_code(code: &str) -> u8 {
    match policy_compiler::explain(code) {
        Some(text) => {
            say(&text);
            0
        }
        None => {
            complain(&format!("sluicegate: there is no finding {code}; codes look like SG0301\n"));
            BAD_INPUT
        }
    }
}

fn foresee(args: &Args, manifest: &Path, request: &Path) -> Result<u8, u8> {
    if manifest == Path::new("-") && request == Path::new("-") {
        complain("sluicegate: manifest and request cannot both come from standard input; name a file\n");
        return Err(BAD_INPUT);
    }
    let bundle = read_policy(manifest, &args.overlays)?;
    let bytes = read_request(request)?;
    let request_name = request.display();
    let request = Request::parse(&bytes).map_err(|fault| {
        complain(&format!("sluicegate: {request_name} is no request: {fault}\n"));
        BAD_INPUT
    })?;
    let how = Circumstances {
        listener: args.listener.clone(),
        from: Some(args.from),
        country: args.country.or_else(|| look_up(&bundle, manifest, args.from)),
        consumer: args.consumer.clone(),
        unix_nanos: args.at.unwrap_or_else(unix_nanos),
    };
    let told = foresight::explain(bundle, &request, &how).map_err(|unknown| {
        complain(&format!("sluicegate: {unknown}\n"));
        BAD_INPUT
    })?;
    match args.output {
        Output::Text => say(&foresight::render(&told, colour(stdout().is_terminal()))),
        Output::Json => match serde_json::to_string(&told) {
            Ok(json) => say(&(json + "\n")),
            Err(error) => {
                complain(&format!("sluicegate: the explanation cannot be written: {error}\n"));
                return Err(FAILURE);
            }
        },
    }
    Ok(u8::from(told.outcome == Outcome::Refused))
}

/// No more than a request may have, and one byte to tell that it has more.
pub(super) fn read_request(path: &Path) -> Result<Vec<u8>, u8> {
    let most = foresight::MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| {
        complain(&format!("sluicegate: {} cannot be read: {error}\n", path.display()));
        BAD_INPUT
    })?;
    Ok(bytes)
}

/// The address's country by the policy's own database, where that is at hand.
fn look_up(bundle: &Bundle, manifest: &Path, from: IpAddr) -> Option<Country> {
    let base = manifest.parent().unwrap_or(Path::new(""));
    Countries::read(bundle.policy().countries.as_deref(), base).ok()?.country(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_countries_are_read_as_people_write_them() {
        assert_eq!(moment("1970-01-01T00:01Z"), Ok(60_000_000_000));
        assert!(moment("2026-11-23").is_err());
        assert_eq!(country_code("se"), Ok(*b"SE"));
        assert!(country_code("SWE").is_err());
    }
}
