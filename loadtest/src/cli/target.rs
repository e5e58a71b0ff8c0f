//! Arguments that every run of load has. It owns their defaults and reading; it refuses to know what is
//! due when.

use std::env;
use std::fs;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::{HeaderName, HeaderValue};
use vocabulary::Span;

use crate::Error;
use crate::load::{ApiKey, Arrivals, Plan, PriceList, Target};

/// Form of the result on standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// Tables for people.
    Table,
    /// One JSON document with a schema version.
    Json,
}

/// Reads `name: value`; says nothing of the value, which may be a secret.
fn header(text: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let (name, value) = text.split_once(':').ok_or("write it as `name: value`")?;
    let name = name.trim().parse().map_err(|_| "the part before the colon is not a header's name")?;
    let value = HeaderValue::from_str(value.trim())
        .map_err(|_| "the part after the colon cannot be sent in a header")?;
    Ok((name, value))
}

/// Where requests go, and what is measured of them.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// Server to test; `/v1/chat/completions` is added where the path stops short of it
    #[arg(long, value_name = "URL")]
    pub(super) url: String,
    /// Model to ask for
    #[arg(long)]
    pub(super) model: String,
    /// Environment variable that holds the API key
    #[arg(long, value_name = "NAME")]
    pub(super) key_env: Option<String>,
    /// Further header of every request; may be given again
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Ask for whole answers instead of streams
    #[arg(long)]
    pub(super) no_stream: bool,
    /// Ask for answers of exactly the planned length, by `min_tokens`, which vLLM and the simulator know
    #[arg(long)]
    pub(super) exact_output: bool,
    /// Longest wait for a whole answer, from its intended arrival
    #[arg(long, value_name = "DURATION", default_value = "60s")]
    pub(super) timeout: Span,
    /// Time to first token up to which an answer is good
    #[arg(long, value_name = "DURATION")]
    pub(super) objective: Option<Span>,
    /// JSON file of prices by backend; `*` stands for all others.
    /// {"payg/chat": {"input": "2.50 USD/1M", "output": "10 USD/1M"}}
    #[arg(long, value_name = "FILE")]
    pub(super) prices: Option<PathBuf>,
    /// Policy seconds per wall-clock second of the server; all times given and reported are policy time
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(super) time_scale: f64,
    /// Decides arrivals, lengths and texts
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Threads that send and receive
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) workers: usize,
    /// Requests in flight at which further ones count as not sent
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(super) max_in_flight: usize,
    /// Form of the result
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub(super) output: Output,
    /// No colour, no redrawing
    #[arg(long)]
    pub(super) plain: bool,
}

impl TargetArgs {
    /// The plan of sending `arrivals` there.
    pub(super) fn plan(&self, arrivals: Arrivals) -> Result<Plan, Error> {
        let target: Target = self.url.parse()?;
        let mut plan = Plan::new(target, self.model.clone(), arrivals);
        plan.key = self.key()?;
        plan.headers.clone_from(&self.headers);
        plan.stream = !self.no_stream;
        plan.exact_output = self.exact_output;
        plan.seed = self.seed;
        plan.time_scale = self.time_scale;
        plan.timeout = self.timeout.0;
        plan.max_in_flight = self.max_in_flight;
        plan.workers = self.workers;
        plan.objective = self.objective.map(|span| span.0);
        plan.prices = self.price_list()?;
        Ok(plan)
    }

    fn key(&self) -> Result<Option<ApiKey>, Error> {
        let Some(name) = &self.key_env else { return Ok(None) };
        match env::var(name) {
            Ok(key) if !key.is_empty() => Ok(Some(ApiKey::new(key))),
            _ => Err(Error::Usage(format!(
                "--key-env: the environment variable {name} is not set, or is empty"
            ))),
        }
    }

    fn price_list(&self) -> Result<PriceList, Error> {
        let Some(path) = &self.prices else { return Ok(PriceList::default()) };
        let shown = path.display();
        let text =
            fs::read_to_string(path).map_err(|error| Error::Usage(format!("--prices: {shown}: {error}")))?;
        PriceList::from_json(&text).map_err(|error| Error::Usage(format!("--prices: {shown}: {error}")))
    }
}
