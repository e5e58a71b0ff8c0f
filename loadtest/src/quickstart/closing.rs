//! What the quickstart ends with: the two strategies side by side, the check of the accounts, and how to
//! send a request. It owns the wording; it refuses to round a difference away.

use std::fmt::Write;

use comfy_table::{Cell, Color};

use super::pass::{Pass, Strategy};
use super::ports::Ports;
use super::story::{BROWN_OUT_PHASE, KEY, MODEL};
use super::watch::is_of;
use crate::load::Outcome;
use crate::terminal::{Line, Tone, count, money, percent, seconds, table};

impl Pass {
    /// What all backends charged, in USD.
    fn usd(&self) -> f64 {
        self.accounts.iter().map(|(_, totals)| totals.cost().as_f64()).sum()
    }

    /// Dollars per million tokens that reached callers.
    fn usd_per_million(&self) -> f64 {
        self.usd() / self.report.usage.total().max(1) as f64 * 1e6
    }

    fn refusals(&self) -> u64 {
        self.accounts.iter().map(|(_, totals)| totals.refused).sum()
    }

    fn attained(&self) -> f64 {
        self.report.objective.map_or(0.0, |objective| objective.fraction)
    }

    fn attained_in_brown_out(&self) -> f64 {
        self.report
            .phases
            .get(BROWN_OUT_PHASE)
            .map_or(0.0, |phase| phase.good as f64 / phase.requests.max(1) as f64)
    }

    fn share(&self, backend: &str) -> f64 {
        self.report
            .backends
            .iter()
            .filter(|(member, _)| is_of(member, backend))
            .map(|(_, part)| part.share)
            .sum()
    }

    /// Prompt and output tokens by the callers' account and by the backends'.
    fn token_accounts(&self) -> [(u64, u64); 2] {
        let sum =
            |of: fn(&model_sim::Totals) -> u64| self.accounts.iter().map(|(_, totals)| of(totals)).sum();
        [
            (self.report.usage.input, self.report.usage.output),
            (sum(|totals| totals.completed_prompt_tokens), sum(|totals| totals.completed_output_tokens)),
        ]
    }

    /// Whether callers and backends counted the same tokens.
    pub(super) fn accounts_agree(&self) -> bool {
        let [callers, backends] = self.token_accounts();
        callers == backends
    }
}

/// A row whose smaller, or larger, figure is the better one.
struct Row {
    name: String,
    figures: [f64; 2],
    shown: fn(f64) -> String,
    better: Better,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    Less,
    More,
    Neither,
}

impl Row {
    fn new(name: impl Into<String>, figures: [f64; 2], shown: fn(f64) -> String, better: Better) -> Self {
        Self { name: name.into(), figures, shown, better }
    }

    fn cells(&self) -> [Cell; 3] {
        let [left, right] = self.figures;
        let cell = |figure: f64, other: f64| {
            let wins = match self.better {
                Better::Less => figure < other,
                Better::More => figure > other,
                Better::Neither => false,
            };
            let cell = Cell::new((self.shown)(figure));
            if wins { cell.fg(Color::Green) } else { cell }
        };
        [Cell::new(&self.name), cell(left, right), cell(right, left)]
    }
}

/// The two strategies side by side.
pub(super) fn comparison(round_robin: &Pass, adaptive: &Pass, colour: bool) -> String {
    let both = |of: &dyn Fn(&Pass) -> f64| [of(round_robin), of(adaptive)];
    let whole = |figure: f64| count(figure as u64);
    let time = |figure: f64| seconds(Some(figure).filter(|figure| figure.is_finite()));
    let quantile = |of: fn(&crate::load::Summary) -> Option<f64>| {
        both(&move |pass: &Pass| of(&pass.report.ttft).unwrap_or(f64::INFINITY))
    };
    let mut rows = vec![
        Row::new("requests", both(&|pass| pass.report.validity.offered as f64), whole, Better::Neither),
        Row::new("lost", both(&|pass| pass.report.lost() as f64), whole, Better::Less),
        Row::new("TTFT p50", quantile(|ttft| ttft.p50_s), time, Better::Less),
        Row::new("TTFT p95", quantile(|ttft| ttft.p95_s), time, Better::Less),
        Row::new("within 2 s", both(&Pass::attained), percent, Better::More),
        Row::new("  during the brown-out", both(&Pass::attained_in_brown_out), percent, Better::More),
        Row::new("429s from backends", both(&|pass| pass.refusals() as f64), whole, Better::Less),
        Row::new("USD per 1M tokens", both(&Pass::usd_per_million), money, Better::Less),
    ];
    for (name, _) in &adaptive.accounts {
        let row =
            Row::new(format!("  share of {name}"), both(&|pass| pass.share(name)), percent, Better::Neither);
        rows.push(row);
    }
    let (left, right) = (Strategy::RoundRobin.label(), Strategy::Adaptive.label());
    let mut table = table(&["the same trace twice", left, right], colour);
    for row in &rows {
        table.add_row(row.cells());
    }
    table.to_string()
}

/// Whether callers and backends counted the same tokens, in one line per strategy.
pub(super) fn accounts(passes: [(&str, &Pass); 2], colour: bool) -> String {
    let mut text = String::new();
    for (label, pass) in passes {
        let [callers, backends] = pass.token_accounts();
        let line = if pass.accounts_agree() {
            let (input, output) = (count(callers.0), count(callers.1));
            Line::new().with(Tone::Good, "✔ ").text(format!(
                "{label}: {input} prompt and {output} output tokens, to callers as to backends"
            ))
        } else {
            Line::new().with(Tone::Bad, "✘ ").text(format!(
                "{label}: callers counted {} prompt and {} output tokens, backends {} and {}",
                count(callers.0),
                count(callers.1),
                count(backends.0),
                count(backends.1)
            ))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.render(usize::MAX, colour));
    }
    text
}

/// What became of requests that got no whole answer; nothing when all did.
pub(super) fn losses(passes: [(&str, &Pass); 2], colour: bool) -> String {
    let mut text = String::new();
    for (label, pass) in passes.into_iter().filter(|(_, pass)| pass.report.lost() > 0) {
        let outcomes = pass.report.outcomes.iter().filter(|(outcome, _)| **outcome != Outcome::Ok.code());
        let outcomes =
            outcomes.map(|(outcome, requests)| format!("{} {}", count(*requests), outcome.replace('_', " ")));
        let details =
            pass.report.details.iter().map(|(detail, requests)| format!("{} × {detail}", count(*requests)));
        let told: Vec<String> = outcomes.chain(details).collect();
        let line = Line::new().with(Tone::Bad, format!("✘ {label} lost {}: ", count(pass.report.lost())));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.text(told.join(", ")).render(usize::MAX, colour));
    }
    text
}

/// How to send a request of one's own.
pub(super) fn how_to_send(ports: Ports) -> String {
    let (gateway, admin) = (ports.gateway(), ports.admin());
    format!(
        r#"Send a request of your own with curl:

  curl http://127.0.0.1:{gateway}/v1/chat/completions \
    -H 'Authorization: Bearer {KEY}' -H 'Content-Type: application/json' \
    -d '{{"model": "{MODEL}", "max_tokens": 40, "messages": [{{"role": "user", "content": "Hello"}}]}}'

or with OpenAI's client (pip install openai):

  from openai import OpenAI
  client = OpenAI(base_url="http://127.0.0.1:{gateway}/v1", api_key="{KEY}")
  messages = [{{"role": "user", "content": "Hello"}}]
  for chunk in client.chat.completions.create(model="{MODEL}", messages=messages, max_tokens=40, stream=True):
      print(chunk.choices[0].delta.content or "", end="", flush=True)

and ask the gateway why it chose as it did:

  curl http://127.0.0.1:{admin}/v1/decisions
"#
    )
}
