//! Costs as charges of the FinOps Open Cost and Usage Specification (FOCUS) 1.2. It owns the columns and exact
//! decimals; it refuses to read files and to invent an invoice: the account billed is the gateway's own.
//!
//! What is paid by the hour is a `Purchase` of that hour, billed and without effect; its effect is spread over
//! the hour's usage, and stands in a line of its own where the hour was idle. So billed and effective cost both
//! sum to everything spent.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::rollup::{Fixed, HOUR, Hour, Key, Sums};

/// What a charge is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChargeKind {
    /// Tokens.
    Usage,
    /// An hour of capacity.
    Capacity,
    /// An hour of capacity that nobody used.
    Unallocated,
}

/// One line of the export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// Begin, Unix seconds.
    pub start: u64,
    /// End, Unix seconds, exclusive.
    pub end: u64,
    /// What for.
    pub kind: ChargeKind,
    /// Who and where.
    pub key: Key,
    /// How much.
    pub sums: Sums,
    /// Nano-dollars that are invoiced for it.
    pub billed_nanos: u64,
    /// Nano-dollars with what is paid by the hour spread over usage.
    pub effective_nanos: u64,
}

/// The charges of these hours. `by_team` leaves consumers out and sums up days.
#[must_use]
pub fn charges(hours: &BTreeMap<u64, Hour>, by_team: bool) -> Vec<Charge> {
    let mut all: BTreeMap<(u64, ChargeKind, Key), Charge> = BTreeMap::new();
    for (number, hour) in hours {
        for charge in of_hour(*number, hour) {
            let charge = if by_team { coarser(charge) } else { charge };
            let place = (charge.start, charge.kind, charge.key.clone());
            match all.get_mut(&place) {
                None => {
                    all.insert(place, charge);
                }
                Some(sum) => {
                    sum.sums.add(&charge.sums);
                    sum.billed_nanos = sum.billed_nanos.saturating_add(charge.billed_nanos);
                    sum.effective_nanos = sum.effective_nanos.saturating_add(charge.effective_nanos);
                }
            }
        }
    }
    all.into_values().collect()
}

fn coarser(charge: Charge) -> Charge {
    let start = charge.start - charge.start % (24 * HOUR);
    Charge { start, end: start + 24 * HOUR, key: Key { consumer: None, ..charge.key }, ..charge }
}

fn of_hour(number: u64, hour: &Hour) -> Vec<Charge> {
    let (start, end) = (number.saturating_mul(HOUR), number.saturating_add(1).saturating_mul(HOUR));
    let mut charges = Vec::new();
    let mut shares: BTreeMap<&Key, u64> = BTreeMap::new();
    for (deployment, fixed) in &hour.fixed {
        let of_deployment = hour.shares(deployment);
        let capacity = capacity(deployment, fixed, start, end);
        if of_deployment.is_empty() {
            charges.push(Charge {
                kind: ChargeKind::Unallocated,
                billed_nanos: 0,
                effective_nanos: fixed.nanos_per_hour,
                ..capacity.clone()
            });
        }
        charges.push(capacity);
        shares.extend(of_deployment);
    }
    charges.extend(hour.sums.iter().map(|(key, sums)| Charge {
        start,
        end,
        kind: ChargeKind::Usage,
        key: key.clone(),
        sums: *sums,
        billed_nanos: sums.cost_nanos,
        effective_nanos: sums.cost_nanos.saturating_add(shares.get(key).copied().unwrap_or_default()),
    }));
    charges
}

fn capacity(deployment: &str, fixed: &Fixed, start: u64, end: u64) -> Charge {
    let key = Key { deployment: deployment.to_owned(), provider: fixed.provider.clone(), ..Key::default() };
    Charge {
        start,
        end,
        kind: ChargeKind::Capacity,
        key,
        sums: Sums::default(),
        billed_nanos: fixed.nanos_per_hour,
        effective_nanos: 0,
    }
}

/// A value of a column.
enum Cell {
    Null,
    Text(String),
    /// As written.
    Number(String),
    /// Names and values.
    Tags(Vec<(&'static str, String)>),
}

/// Dollars as an exact decimal.
fn usd(nanos: u64) -> Cell {
    let text = format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    Cell::Number(text.trim_end_matches('0').trim_end_matches('.').to_owned())
}

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}

fn optional(value: Option<&String>) -> Cell {
    value.map_or(Cell::Null, text)
}

fn count(value: u64) -> Cell {
    Cell::Number(value.to_string())
}

fn instant(seconds: u64) -> Cell {
    let at = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map_or(Cell::Null, |at| text(at.to_string()))
}

/// The first of the month of `seconds` and of the next one, in UTC.
fn month(seconds: u64) -> (Cell, Cell) {
    let first = || {
        let at = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
        let first = at.to_zoned(TimeZone::UTC).date().first_of_month();
        let next = first.last_of_month().tomorrow().ok()?;
        let cell =
            |date: jiff::civil::Date| Some(text(date.to_zoned(TimeZone::UTC).ok()?.timestamp().to_string()));
        Some((cell(first)?, cell(next)?))
    };
    first().unwrap_or((Cell::Null, Cell::Null))
}

/// The name of the provider's service.
fn service(provider: &str) -> &'static str {
    match provider {
        "openai" => "OpenAI API",
        "azure.ai.openai" => "Azure OpenAI",
        "anthropic" => "Claude API",
        "mistral_ai" => "Mistral API",
        _ => "Self-hosted inference",
    }
}

fn tags(charge: &Charge) -> Cell {
    let Key { team, consumer, model, .. } = &charge.key;
    let tags = [("team", team), ("consumer", consumer), ("model", model)];
    let mut tags: Vec<_> =
        tags.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    if charge.kind == ChargeKind::Unallocated {
        tags.push(("allocation", "unallocated".to_owned()));
    }
    Cell::Tags(tags)
}

/// Columns in their order. Those beginning with `x_` are not FOCUS's own.
fn columns(charge: &Charge) -> Vec<(&'static str, Cell)> {
    let Charge { start, end, kind, key, sums, billed_nanos, effective_nanos } = charge;
    let (month_start, month_end) = month(*start);
    let usage = *kind == ChargeKind::Usage;
    let (quantity, unit) = if usage {
        (count(sums.tokens()), text("Tokens"))
    } else {
        (count((end - start) / HOUR), text("Hours"))
    };
    let (consumed, consumed_unit) =
        if usage { (count(sums.tokens()), text("Tokens")) } else { (Cell::Null, Cell::Null) };
    let description = match kind {
        ChargeKind::Usage => format!("tokens at {}", key.deployment),
        ChargeKind::Capacity => format!("capacity of {}", key.deployment),
        ChargeKind::Unallocated => format!("capacity of {} that nobody used", key.deployment),
    };
    let category = if *kind == ChargeKind::Capacity { "Purchase" } else { "Usage" };
    vec![
        ("BilledCost", usd(*billed_nanos)),
        ("BillingAccountId", text("sluicegate")),
        ("BillingAccountName", text("Sluicegate")),
        ("BillingCurrency", text("USD")),
        ("BillingPeriodEnd", month_end),
        ("BillingPeriodStart", month_start),
        ("ChargeCategory", text(category)),
        ("ChargeClass", Cell::Null),
        ("ChargeDescription", text(description)),
        ("ChargeFrequency", text(if category == "Purchase" { "Recurring" } else { "Usage-Based" })),
        ("ChargePeriodEnd", instant(*end)),
        ("ChargePeriodStart", instant(*start)),
        ("ConsumedQuantity", consumed),
        ("ConsumedUnit", consumed_unit),
        ("ContractedCost", usd(*billed_nanos)),
        ("EffectiveCost", usd(*effective_nanos)),
        ("InvoiceIssuerName", text(key.provider.as_str())),
        ("ListCost", usd(*billed_nanos)),
        ("PricingQuantity", quantity),
        ("PricingUnit", unit),
        ("ProviderName", text(key.provider.as_str())),
        ("PublisherName", text(key.provider.as_str())),
        ("ResourceId", text(key.deployment.as_str())),
        ("ResourceName", text(key.deployment.as_str())),
        ("ResourceType", text("Model deployment")),
        ("ServiceCategory", text("AI and Machine Learning")),
        ("ServiceName", text(service(&key.provider))),
        ("ServiceSubcategory", text("Generative AI")),
        ("SkuId", text(key.model.as_deref().unwrap_or(&key.deployment))),
        ("SubAccountId", optional(key.team.as_ref())),
        ("SubAccountName", optional(key.team.as_ref())),
        ("Tags", tags(charge)),
        ("x_Requests", count(sums.requests)),
        ("x_InputTokens", count(sums.input)),
        ("x_CachedInputTokens", count(sums.cached)),
        ("x_CacheWriteTokens", count(sums.cache_writes)),
        ("x_OutputTokens", count(sums.output)),
        ("x_Estimated", text(if key.estimated { "true" } else { "false" })),
    ]
}

/// CSV with a header (RFC 4180).
///
/// # Errors
/// When memory for it cannot be had, which is all that can fail here.
pub fn csv(charges: &[Charge]) -> Result<String, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let empty = Charge {
        start: 0,
        end: HOUR,
        kind: ChargeKind::Usage,
        key: Key::default(),
        sums: Sums::default(),
        billed_nanos: 0,
        effective_nanos: 0,
    };
    writer.write_record(columns(&empty).iter().map(|(name, _)| *name))?;
    for charge in charges {
        writer.write_record(columns(charge).into_iter().map(|(_, cell)| match cell {
            Cell::Null => String::new(),
            Cell::Text(text) | Cell::Number(text) => text,
            Cell::Tags(tags) => object(tags),
        }))?;
    }
    let bytes = writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A JSON array of objects, numbers as exact decimals.
#[must_use]
pub fn json(charges: &[Charge]) -> String {
    let rows = charges.iter().map(|charge| {
        let fields = columns(charge).into_iter().map(|(name, cell)| {
            let value = match cell {
                Cell::Null => "null".to_owned(),
                Cell::Text(text) => quoted(&text),
                Cell::Number(number) => number,
                Cell::Tags(tags) => object(tags),
            };
            format!("{}:{value}", quoted(name))
        });
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    });
    format!("[\n{}\n]\n", rows.collect::<Vec<_>>().join(",\n"))
}

fn object(tags: Vec<(&'static str, String)>) -> String {
    let fields = tags.into_iter().map(|(name, value)| format!("{}:{}", quoted(name), quoted(&value)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours() -> BTreeMap<u64, Hour> {
        let key = |team: &str, consumer: &str, deployment: &str| Key {
            team: Some(team.to_owned()),
            consumer: Some(consumer.to_owned()),
            model: Some("gpt-4o".to_owned()),
            deployment: deployment.to_owned(),
            provider: "azure.ai.openai".to_owned(),
            estimated: false,
        };
        let mut busy = Hour::default();
        let sums = Sums { requests: 2, input: 1000, output: 10, cost_nanos: 2_600_001, ..Sums::default() };
        busy.consume(key("claims", "a,\"b\"", "swe/std"), &sums);
        busy.consume(key("claims", "c", "swe/ptu"), &Sums { requests: 1, input: 30, ..Sums::default() });
        busy.consume(key("sales", "d", "swe/ptu"), &Sums { requests: 1, input: 60, ..Sums::default() });
        let fixed = Fixed { provider: "azure.ai.openai".to_owned(), nanos_per_hour: 100 };
        busy.fixed.insert("swe/ptu".to_owned(), fixed);
        let idle = Hour { fixed: busy.fixed.clone(), ..Hour::default() };
        // 2026-11-30T23:00Z and the next hour, which is another month.
        [(498_911, busy), (498_912, idle)].into()
    }

    #[test]
    fn billed_and_effective_cost_both_sum_to_all_that_was_spent() {
        for by_team in [false, true] {
            let charges = charges(&hours(), by_team);
            let sum = |of: fn(&Charge) -> u64| charges.iter().map(of).sum::<u64>();
            assert_eq!(sum(|charge| charge.billed_nanos), 2_600_001 + 200);
            assert_eq!(sum(|charge| charge.effective_nanos), 2_600_001 + 200);
            let idle: Vec<_> = charges.iter().filter(|c| c.kind == ChargeKind::Unallocated).collect();
            assert_eq!((idle.len(), idle[0].effective_nanos), (1, 100));
        }
    }

    #[test]
    fn a_team_pays_for_what_it_used_of_the_capacity() {
        let charges = charges(&hours(), true);
        let of = |team: &str, deployment: &str| {
            let mine = |charge: &&Charge| {
                charge.key.team.as_deref() == Some(team) && charge.key.deployment == deployment
            };
            charges.iter().find(mine).unwrap().effective_nanos
        };
        assert_eq!((of("claims", "swe/ptu"), of("sales", "swe/ptu")), (34, 66), "to the last nano-dollar");
    }

    #[test]
    fn csv_and_json_say_the_same_in_exact_decimals() {
        let charges = charges(&hours(), false);
        let text = csv(&charges).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let told: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(&json(&charges)).unwrap();
        assert_eq!((rows.len(), told.len()), (charges.len(), charges.len()));
        let usage = rows.iter().position(|row| row.iter().any(|cell| cell == "swe/std")).unwrap();
        let cell = |name: &str| {
            let index = header.iter().position(|column| column == name).unwrap();
            rows[usage].get(index).unwrap().to_owned()
        };
        assert_eq!(cell("BilledCost"), "0.002600001");
        assert_eq!(
            (cell("ChargePeriodStart"), cell("ChargePeriodEnd")),
            ("2026-11-30T23:00:00Z".to_owned(), "2026-12-01T00:00:00Z".to_owned())
        );
        assert_eq!(
            (cell("BillingPeriodStart"), cell("BillingPeriodEnd")),
            ("2026-11-01T00:00:00Z".to_owned(), "2026-12-01T00:00:00Z".to_owned())
        );
        assert_eq!(cell("Tags"), r#"{"team":"claims","consumer":"a,\"b\"","model":"gpt-4o"}"#);
        assert_eq!(told[usage]["Tags"]["consumer"], "a,\"b\"");
        assert_eq!(told[usage]["BilledCost"].to_string(), "0.002600001");
        assert_eq!(cell("ServiceCategory"), "AI and Machine Learning");
    }
}
