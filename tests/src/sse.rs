//! Server-sent events as a plain client reads them. It owns cutting a body at blank lines; it is written
//! apart from the gateway's own parser on purpose, so that a bug there shows.

use serde_json::Value;
use tokio::time::Instant;

/// One event and when it was there in full.
#[derive(Clone, Debug)]
pub struct Event {
    /// The value of its `data` field.
    pub data: String,
    /// Arrival.
    pub at: Instant,
}

impl Event {
    /// Whether it is the end of an OpenAI stream.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.data == "[DONE]"
    }

    /// Its data as JSON; null for what is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }

    /// The text of its first choice.
    #[must_use]
    pub fn text(&self) -> String {
        self.json()["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
    }
}

/// Bytes on their way to become events.
#[derive(Debug, Default)]
pub struct Cutter {
    rest: Vec<u8>,
    /// How much of it is known to hold no end of an event.
    seen: usize,
}

impl Cutter {
    /// Adds bytes and gives the events they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) =
            memchr::memmem::find(&self.rest[self.seen..], b"\n\n").map(|end| self.seen + end)
        {
            self.seen = 0;
            let event: Vec<u8> = self.rest.drain(..end + 2).collect();
            let text = String::from_utf8(event).expect("events are UTF-8");
            let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
            events.push(Event { data: data.join("\n"), at: Instant::now() });
        }
        self.seen = self.rest.len().saturating_sub(1);
        events
    }

    /// Whether bytes of an unfinished event are left.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.rest.is_empty()
    }
}
