//! Usage as providers report it. It owns reading three exports and a plain form, per day and model; it
//! refuses to call their APIs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::Value;

/// Whose export it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// OpenAI's usage API (`/v1/organization/usage/completions`), as its JSON, or as CSV with the columns
    /// `start_time`, `model`, `input_tokens`, `output_tokens`.
    Openai,
    /// Azure Cost Management's cost and usage details, as CSV with `Date` or `UsageDateTime`, `MeterName`,
    /// `Quantity` or `UsageQuantity`, `UnitOfMeasure`, and optionally `CostInUsd` or `PreTaxCost`.
    Azure,
    /// Anthropic's usage report (`/v1/organizations/usage_report/messages`), as its JSON, or as CSV with the
    /// columns `starting_at`, `model`, `uncached_input_tokens`, `output_tokens` and, where there are any,
    /// `cache_read_input_tokens`, `ephemeral_5m_input_tokens`, `ephemeral_1h_input_tokens`.
    Anthropic,
    /// CSV with `date`, `model`, `input_tokens`, `output_tokens` and optionally `cost_usd`.
    Plain,
}

/// A day in UTC and a model.
pub type ProviderDay = (Date, String);

/// What a provider says of a day and model.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reported {
    /// Prompt tokens, cached ones and cache writes included.
    pub input: u64,
    /// Generated tokens.
    pub output: u64,
    /// Dollars, where the export has them.
    pub cost_usd: Option<f64>,
}

/// Why an export cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ProviderError {
    /// Not a table, or not JSON.
    #[error("the export cannot be read: {0}")]
    Unreadable(String),
    /// A column or field is missing.
    #[error("the export has no {0}; see docs/costs.md for what each format needs")]
    Missing(String),
    /// A value makes no sense.
    #[error("row {row}: `{column}` is not {wanted}")]
    Value {
        /// From 1, without the header; 0 for JSON.
        row: usize,
        /// Its column or field.
        column: String,
        /// What it should be.
        wanted: &'static str,
    },
}

type Days = BTreeMap<ProviderDay, Reported>;

/// Reads an export. `models` are the names of ours, by which Azure's meters are told apart.
///
/// # Errors
/// [`ProviderError`], which says where.
pub fn read(format: Format, text: &str, models: &[String]) -> Result<Days, ProviderError> {
    let json = text.trim_start().starts_with(['{', '[']);
    match format {
        Format::Openai if json => buckets(text, "start_time", &["input_tokens"]),
        Format::Openai => table(
            text,
            &Columns {
                day: &["start_time", "start_time_iso"],
                input: &["input_tokens"],
                output: &["output_tokens"],
                cost: &[],
            },
        ),
        Format::Anthropic if json => buckets(text, "starting_at", &ANTHROPIC_INPUT),
        Format::Anthropic => table(
            text,
            &Columns {
                day: &["starting_at", "usage_date_utc"],
                input: &ANTHROPIC_INPUT,
                output: &["output_tokens"],
                cost: &[],
            },
        ),
        Format::Plain => table(
            text,
            &Columns {
                day: &["date"],
                input: &["input_tokens"],
                output: &["output_tokens"],
                cost: &["cost_usd"],
            },
        ),
        Format::Azure => azure(text, models),
    }
}

/// Parts of a prompt, which Anthropic counts apart. The first is always there.
const ANTHROPIC_INPUT: [&str; 4] = [
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "ephemeral_5m_input_tokens",
    "ephemeral_1h_input_tokens",
];

/// Pages of buckets, as both OpenAI and Anthropic have them: one page, or several in an array.
fn buckets(text: &str, start: &str, input: &[&str]) -> Result<Days, ProviderError> {
    let document: Value =
        serde_json::from_str(text).map_err(|error| ProviderError::Unreadable(error.to_string()))?;
    let pages = match document {
        Value::Array(pages) => pages,
        page => vec![page],
    };
    let mut days = Days::new();
    for page in &pages {
        let missing = || ProviderError::Missing("list `data` of buckets".to_owned());
        for bucket in page.get("data").and_then(Value::as_array).ok_or_else(missing)? {
            let at = bucket.get(start).ok_or_else(|| ProviderError::Missing(format!("`{start}`")))?;
            let at = at.as_str().map_or_else(|| at.to_string(), str::to_owned);
            let day = day(&at).ok_or(ProviderError::Value {
                row: 0,
                column: start.to_owned(),
                wanted: "a time",
            })?;
            for result in bucket.get("results").and_then(Value::as_array).into_iter().flatten() {
                let model = result.get("model").and_then(Value::as_str);
                let model = model
                    .ok_or_else(|| ProviderError::Missing("`model`: group the report by model".to_owned()))?;
                let creation = result.get("cache_creation");
                let tokens = |name: &&str| {
                    result.get(*name).or_else(|| creation?.get(*name)).and_then(Value::as_u64).unwrap_or(0)
                };
                let sum = days.entry((day, model.to_owned())).or_default();
                sum.input = input.iter().map(tokens).fold(sum.input, u64::saturating_add);
                sum.output = sum.output.saturating_add(tokens(&"output_tokens"));
            }
        }
    }
    Ok(days)
}

/// Where a table has what; of several names the first that is there, but of `input` all.
struct Columns<'a> {
    day: &'a [&'a str],
    input: &'a [&'a str],
    output: &'a [&'a str],
    cost: &'a [&'a str],
}

struct Table {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    fn read(text: &str) -> Result<Self, ProviderError> {
        let unreadable = |error: csv::Error| ProviderError::Unreadable(error.to_string());
        // Azure writes a byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(unreadable)?.clone();
        let rows = reader.records().collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Self { header, rows })
    }

    fn find(&self, names: &[&str]) -> Option<usize> {
        let is = |name: &str| self.header.iter().position(|column| column.eq_ignore_ascii_case(name));
        names.iter().find_map(|name| is(name))
    }

    fn need(&self, names: &[&str]) -> Result<usize, ProviderError> {
        let missing = || ProviderError::Missing(format!("column `{}`", names.join("` or `")));
        self.find(names).ok_or_else(missing)
    }

    fn number(&self, row: usize, column: usize) -> Result<f64, ProviderError> {
        let text = self.rows.get(row).and_then(|row| row.get(column)).unwrap_or_default();
        let number = if text.is_empty() { Ok(0.0) } else { text.parse::<f64>() };
        number
            .ok()
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| self.wrong(row, column, "a number of at least 0"))
    }

    fn tokens(&self, row: usize, column: usize) -> Result<u64, ProviderError> {
        let number = self.number(row, column)?;
        if number.fract() == 0.0 && number < 1e15 {
            Ok(number as u64)
        } else {
            Err(self.wrong(row, column, "a whole number of tokens"))
        }
    }

    fn wrong(&self, row: usize, column: usize, wanted: &'static str) -> ProviderError {
        let column = self.header.get(column).unwrap_or_default().to_owned();
        ProviderError::Value { row: row + 1, column, wanted }
    }

    fn text(&self, row: usize, column: usize) -> &str {
        self.rows.get(row).and_then(|row| row.get(column)).unwrap_or_default()
    }

    fn day(&self, row: usize, column: usize) -> Result<Date, ProviderError> {
        day(self.text(row, column)).ok_or_else(|| self.wrong(row, column, "a day"))
    }
}

fn table(text: &str, columns: &Columns<'_>) -> Result<Days, ProviderError> {
    let table = Table::read(text)?;
    let (day, model) = (table.need(columns.day)?, table.need(&["model", "model_version"])?);
    let (first, output) = (columns.input.get(..1).unwrap_or_default(), table.need(columns.output)?);
    table.need(first)?;
    let input: Vec<usize> = columns.input.iter().filter_map(|name| table.find(&[name])).collect();
    let cost = table.find(columns.cost);
    let mut days = Days::new();
    for row in 0..table.rows.len() {
        let sum = days.entry((table.day(row, day)?, table.text(row, model).to_owned())).or_default();
        for column in &input {
            sum.input = sum.input.saturating_add(table.tokens(row, *column)?);
        }
        sum.output = sum.output.saturating_add(table.tokens(row, output)?);
        if let Some(cost) = cost {
            sum.cost_usd = Some(sum.cost_usd.unwrap_or_default() + table.number(row, cost)?);
        }
    }
    Ok(days)
}

/// A meter such as `gpt 4o 0806 Inp glbl Tokens`, in units of a thousand or a million.
fn azure(text: &str, models: &[String]) -> Result<Days, ProviderError> {
    let table = Table::read(text)?;
    let day = table.need(&["Date", "UsageDateTime"])?;
    let meter = table.need(&["MeterName"])?;
    let quantity = table.need(&["Quantity", "UsageQuantity"])?;
    let unit = table.need(&["UnitOfMeasure"])?;
    let cost = table.find(&["CostInUsd", "PreTaxCost"]);
    let mut days = Days::new();
    for row in 0..table.rows.len() {
        let name = squeezed(table.text(row, meter));
        let model = models.iter().filter(|model| name.starts_with(&squeezed(model))).max_by_key(|m| m.len());
        // Whatever else the subscription has been charged for is no business of ours.
        let Some(model) = model else { continue };
        let per = match squeezed(table.text(row, unit)).trim_end_matches("tokens") {
            "1k" | "1000" => 1e3,
            "1m" | "1000000" => 1e6,
            "1" => 1.0,
            _ => return Err(table.wrong(row, unit, "1, 1K or 1M")),
        };
        let tokens = (table.number(row, quantity)? * per).round() as u64;
        let sum = days.entry((table.day(row, day)?, model.clone())).or_default();
        if name.contains("out") {
            sum.output = sum.output.saturating_add(tokens);
        } else {
            sum.input = sum.input.saturating_add(tokens);
        }
        if let Some(cost) = cost {
            sum.cost_usd = Some(sum.cost_usd.unwrap_or_default() + table.number(row, cost)?);
        }
    }
    Ok(days)
}

/// Letters and digits in lower case.
fn squeezed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// A day in UTC: Unix seconds, ISO 8601 with or without a time, or month/day/year as Azure writes it.
fn day(text: &str) -> Option<Date> {
    let of = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    if let Ok(seconds) = text.parse::<i64>() {
        return Timestamp::from_second(seconds).ok().map(of);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(of(at));
    }
    let mut american = text.split('/').map(str::parse::<i16>);
    if let (Some(Ok(month)), Some(Ok(day)), Some(Ok(year)), None) =
        (american.next(), american.next(), american.next(), american.next())
    {
        return Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok();
    }
    text.get(..10).and_then(|date| date.parse().ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn one(format: Format, text: &str) -> (ProviderDay, Reported) {
        let days = read(format, text, &["gpt-4o".to_owned(), "gpt-4o-mini".to_owned()]).unwrap();
        assert_eq!(days.len(), 1, "{days:?}");
        days.into_iter().next().unwrap()
    }

    #[test]
    fn openais_usage_is_read_as_json_and_as_csv() {
        let json = r#"{"object": "page", "data": [{"object": "bucket", "start_time": 1730419200, "end_time": 1730505600,
            "results": [{"input_tokens": 1000, "output_tokens": 500, "input_cached_tokens": 800, "model": "gpt-4o"}]}]}"#;
        let csv = "start_time,model,input_tokens,output_tokens\n1730419200,gpt-4o,600,500\n2024-11-01T09:00:00Z,gpt-4o,400,0\n";
        let expected = (
            (date("2024-11-01"), "gpt-4o".to_owned()),
            Reported { input: 1000, output: 500, cost_usd: None },
        );
        assert_eq!(one(Format::Openai, json), expected);
        assert_eq!(one(Format::Openai, csv), expected);
    }

    #[test]
    fn anthropic_counts_parts_of_a_prompt_apart() {
        let json = r#"{"data": [{"starting_at": "2025-08-01T00:00:00Z", "ending_at": "2025-08-02T00:00:00Z", "results": [
            {"uncached_input_tokens": 1500, "cache_creation": {"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500},
             "cache_read_input_tokens": 200, "output_tokens": 500, "model": "claude-sonnet-4"}]}], "has_more": false}"#;
        let told = Reported { input: 3200, output: 500, cost_usd: None };
        assert_eq!(one(Format::Anthropic, json), ((date("2025-08-01"), "claude-sonnet-4".to_owned()), told));
    }

    #[test]
    fn azures_meters_are_told_apart_by_the_longest_model_they_begin_with() {
        let csv = "\u{feff}Date,MeterName,Quantity,UnitOfMeasure,CostInUsd\n\
            11/22/2026,gpt 4o mini 0718 Inp glbl Tokens,12.5,1K,0.002\n\
            11/22/2026,gpt 4o mini 0718 Outp glbl Tokens,2,1K,0.001\n\
            11/22/2026,gpt 4o mini 0718 cached Inp glbl Tokens,0.5,1M,0\n\
            11/22/2026,Standard SSD,1,1/Month,5\n";
        let ((day, model), told) = one(Format::Azure, csv);
        assert_eq!((day, model.as_str()), (date("2026-11-22"), "gpt-4o-mini"));
        assert_eq!((told.input, told.output), (512_500, 2000));
        assert!(told.cost_usd.is_some_and(|usd| (usd - 0.003).abs() < 1e-12));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let error = |format, text: &str| read(format, text, &[]).unwrap_err().to_string();
        assert!(error(Format::Plain, "date,model\n").contains("`output_tokens`"));
        let wrong = error(Format::Plain, "date,model,input_tokens,output_tokens\n2026-11-01,m,1.5,0\n");
        assert_eq!(wrong, "row 1: `input_tokens` is not a whole number of tokens");
        assert!(
            error(Format::Openai, "{\"data\": [{\"start_time\": 1, \"results\": [{}]}]}")
                .contains("group the report by model")
        );
        assert!(error(Format::Azure, "a,b\n").contains("`Date` or `UsageDateTime`"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", rows in prop::collection::vec("[0-9a-z,./:\"\n-]{0,40}", 0..6)) {
            for format in [Format::Openai, Format::Azure, Format::Anthropic, Format::Plain] {
                let _ = read(format, &text, &[]);
                let table = format!("date,Date,MeterName,Quantity,UnitOfMeasure,model,input_tokens,output_tokens\n{}", rows.join("\n"));
                let _ = read(format, &table, &["a".to_owned()]);
            }
        }
    }
}
