//! What every dialect means, spelt in none. It owns the one form that requests and answers pass through;
//! it refuses to know how a dialect writes any of it.

use std::borrow::Cow;

use vocabulary::Usage;

use super::Format;
use super::document::{self, Fault, Read, Str};
use super::writer::Writer;

/// A request.
pub(super) struct Call<'a> {
    /// Whose spelling the caller knows fields by.
    pub(super) from: Format,
    pub(super) turns: Vec<Turn<'a>>,
    pub(super) tools: Vec<Tool<'a>>,
    pub(super) choice: Option<Choice<'a>>,
    /// Whether several tools may be called in one turn.
    pub(super) parallel: Option<bool>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<&'a str>,
    pub(super) top_p: Option<&'a str>,
    pub(super) stop: Vec<Str<'a>>,
    pub(super) stream: bool,
    pub(super) output: Option<OutputFormat<'a>>,
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<Effort>,
    /// The end user, for the provider's abuse detection.
    pub(super) user: Option<Str<'a>>,
    pub(super) extras: Vec<Extra<'a>>,
    pub(super) lost: Lost,
}

impl<'a> Call<'a> {
    pub(super) fn new(from: Format) -> Self {
        Self {
            from,
            turns: Vec::new(),
            tools: Vec::new(),
            choice: None,
            parallel: None,
            max_tokens: None,
            temperature: None,
            top_p: None,
            stop: Vec::new(),
            stream: false,
            output: None,
            thinking: None,
            effort: None,
            user: None,
            extras: Vec::new(),
            lost: Lost::default(),
        }
    }

    /// Adds a turn. What an assistant said in a row is one turn, so that calls made together stay
    /// together; a turn that says nothing is none.
    pub(super) fn push(&mut self, author: Author, mut parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(last) if author == Author::Assistant && last.author == author => {
                last.parts.append(&mut parts)
            }
            _ => self.turns.push(Turn { author, parts }),
        }
    }

    /// Keeps a field that has no meaning of its own here, by the rule its dialect's table gives it.
    pub(super) fn extra(&mut self, table: &'static [(&'static str, Rule)], key: &str, raw: &'a str) {
        match table.iter().find(|(name, _)| *name == key) {
            _ if raw == "null" => {}
            Some((name, rule)) => self.extras.push(Extra { name, raw, rule: *rule }),
            None => self.lost.add(UNKNOWN),
        }
    }

    /// The field in which this caller asks for reasoning.
    pub(super) fn reasoning_field(&self) -> &'static str {
        match self.from {
            Format::Chat => "reasoning_effort",
            Format::Messages => "thinking",
            Format::Responses => "reasoning.effort",
        }
    }
}

/// How fields nobody knows are reported: their names are the caller's.
pub(super) const UNKNOWN: &str = "unknown fields";

/// Advice that the backend's dialect has no place for, in the order it was met.
#[derive(Default)]
pub(super) struct Lost(Vec<&'static str>);

impl Lost {
    pub(super) fn add(&mut self, field: &'static str) {
        if !self.0.contains(&field) {
            self.0.push(field);
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        other.0.into_iter().for_each(|field| self.add(field));
    }

    pub(super) fn into_fields(self) -> Vec<&'static str> {
        self.0
    }
}

/// A field that is carried as it stands, reported, or refused.
pub(super) struct Extra<'a> {
    pub(super) name: &'static str,
    pub(super) raw: &'a str,
    pub(super) rule: Rule,
}

/// What becomes of a field without a counterpart.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Advice: reported.
    Advice,
    /// Advice that a chat backend takes in the same spelling; reported elsewhere.
    Chat,
    /// It changes the answer: refused, unless it has one of these values, which ask for nothing.
    Only(&'static [&'static str], &'static str),
}

impl Extra<'_> {
    /// Writes the field, reports it or refuses it.
    pub(super) fn settle(&self, to_chat: bool, lost: &mut Lost, writer: &mut Writer) -> Read<()> {
        match self.rule {
            Rule::Chat if to_chat => writer.key(self.name).raw(self.raw),
            Rule::Advice | Rule::Chat => lost.add(self.name),
            Rule::Only(harmless, why) => {
                let compact: String = self.raw.chars().filter(|c| !c.is_ascii_whitespace()).collect();
                if !harmless.contains(&compact.as_str()) {
                    return Err(Fault::at(self.name, why));
                }
            }
        }
        Ok(())
    }
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    System,
    User,
    Assistant,
}

/// What one author says before another does.
pub(super) struct Turn<'a> {
    pub(super) author: Author,
    pub(super) parts: Vec<Part<'a>>,
}

/// A piece of a turn, or of an answer.
pub(super) enum Part<'a> {
    Text(Str<'a>),
    Refusal(Str<'a>),
    Image(Source<'a>),
    Document {
        source: Source<'a>,
        title: Option<Str<'a>>,
    },
    ToolCall {
        id: Str<'a>,
        name: Str<'a>,
        arguments: Arguments<'a>,
    },
    ToolResult {
        id: Str<'a>,
        parts: Vec<Part<'a>>,
    },
    /// Reasoning. With a signature it is the provider's own and worth nothing to another one.
    Thinking {
        text: Str<'a>,
        signature: Option<Str<'a>>,
    },
    /// Reasoning that only its provider can read.
    Redacted(Str<'a>),
}

/// Where the bytes of an image or document are.
pub(super) enum Source<'a> {
    Inline { media_type: Cow<'a, str>, base64: Cow<'a, str> },
    Link(Str<'a>),
}

impl<'a> Source<'a> {
    /// A URL as the OpenAI dialects give it: `data:` with base64, or http(s).
    pub(super) fn of_url(url: Str<'a>) -> Read<Self> {
        const WHY: &str = "must be an http(s) URL or a data URL with base64 (`data:image/png;base64,...`)";
        let text = url.decode();
        if text.starts_with("https://") || text.starts_with("http://") {
            return Ok(Self::Link(url));
        }
        if !text.starts_with("data:") {
            return Err(Fault::here(WHY));
        }
        let (media_type, base64) = match url.into_text() {
            Cow::Borrowed(text) => {
                let (media_type, base64) = data_url(text).ok_or(Fault::here(WHY))?;
                (Cow::Borrowed(media_type), Cow::Borrowed(base64))
            }
            Cow::Owned(text) => {
                let (media_type, base64) = data_url(&text).ok_or(Fault::here(WHY))?;
                (Cow::Owned(media_type.to_owned()), Cow::Owned(base64.to_owned()))
            }
        };
        Ok(Self::Inline { media_type, base64 })
    }

    /// Writes it as a URL.
    pub(super) fn write_url(&self, writer: &mut Writer) {
        match self {
            Self::Link(url) => writer.string(url),
            Self::Inline { media_type, base64 } => writer.text(&format!("data:{media_type};base64,{base64}")),
        }
    }
}

/// The media type and the data of a URL as in RFC 2397, base64 only.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, base64) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    Some((media_type.split(';').next().filter(|kind| !kind.is_empty())?, base64))
}

/// A tool call's arguments: OpenAI puts them in a string, Anthropic in an object.
pub(super) enum Arguments<'a> {
    Text(Str<'a>),
    Object(&'a str),
}

impl Arguments<'_> {
    pub(super) fn write_text(&self, writer: &mut Writer) {
        match self {
            // No arguments at all: an empty object, or clients could not parse them.
            Self::Text(text) if text.is_empty() => writer.text("{}"),
            Self::Text(text) => writer.string(text),
            Self::Object(json) => writer.text(json),
        }
    }

    /// Writes an object. A model may have written arguments that are none (or been cut off in them);
    /// Anthropic's advice is to wrap those so that the model sees what it wrote.
    pub(super) fn write_object(&self, writer: &mut Writer) {
        match self {
            Self::Object(json) => writer.raw(json),
            Self::Text(literal) => {
                let text = literal.decode();
                if text.trim().is_empty() {
                    writer.raw("{}");
                } else if document::is_object(&text) {
                    writer.raw(text.trim());
                } else {
                    writer.object(|w| w.key("INVALID_JSON").string(literal));
                }
            }
        }
    }
}

/// A function the model may call.
pub(super) struct Tool<'a> {
    pub(super) name: Str<'a>,
    pub(super) description: Option<Str<'a>>,
    pub(super) schema: Option<&'a str>,
    pub(super) strict: Option<bool>,
}

/// Which tools must be called.
pub(super) enum Choice<'a> {
    Auto,
    Forbidden,
    Required,
    Named(Str<'a>),
}

impl Choice<'_> {
    pub(super) fn is_forced(&self) -> bool {
        matches!(self, Self::Required | Self::Named(_))
    }
}

/// What the answer's text must be.
pub(super) enum OutputFormat<'a> {
    Json,
    Schema { name: Option<Str<'a>>, description: Option<Str<'a>>, schema: &'a str, strict: Option<bool> },
}

/// Whether to reason.
#[derive(Clone, Copy)]
pub(super) enum Thinking {
    Off,
    Adaptive,
    Budget(u64),
}

/// How hard to reason.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effort {
    Minimal,
    Low,
    Medium,
    High,
    XHigh,
    Max,
}

/// An answer.
pub(super) struct Completion<'a> {
    pub(super) parts: Vec<Part<'a>>,
    pub(super) stop: StopReason,
    pub(super) stop_sequence: Option<Str<'a>>,
    pub(super) counts: Option<Counts>,
}

/// Why a model stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    End,
    Sequence,
    Length,
    Tools,
    Filter,
    /// A long turn was interrupted and may be continued.
    Pause,
}

impl StopReason {
    /// Some servers say that the turn ended where a tool was called, and clients go by the reason.
    pub(super) fn with_tools(self, called: bool) -> Self {
        if called && self == Self::End { Self::Tools } else { self }
    }
}

/// Tokens. `input` includes `cached` and `written`; `output` includes `reasoning`.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) input: u64,
    /// Read from the provider's cache.
    pub(super) cached: u64,
    /// Written to it.
    pub(super) written: u64,
    /// Of these, written for an hour.
    pub(super) written_1h: u64,
    pub(super) output: u64,
    pub(super) reasoning: u64,
}

impl Counts {
    pub(super) fn usage(self) -> Usage {
        Usage {
            input: self.input,
            cached_input: self.cached,
            cache_write_input: self.written.saturating_sub(self.written_1h),
            cache_write_1h_input: self.written_1h.min(self.written),
            output: self.output,
            reasoning_output: self.reasoning,
        }
    }

    /// Prompt tokens that the cache had no part in.
    pub(super) fn plain_input(self) -> u64 {
        self.input.saturating_sub(self.cached).saturating_sub(self.written)
    }
}

/// An id that the other dialect accepts: letters, digits, `_` and `-`, at most `max` of them. Others
/// are replaced by a digest, the same wherever they come up.
pub(super) fn fit_id<'i>(id: &'i Str<'i>, max: usize) -> Cow<'i, str> {
    let text = id.decode();
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if fits && (1..=max).contains(&text.len()) {
        return text;
    }
    Cow::Owned(format!("call_{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes())))
}
