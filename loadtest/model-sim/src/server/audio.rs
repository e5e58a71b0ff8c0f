//! Speech in and out, in OpenAI's form. It owns transcripts that are functions of the sound's bytes and
//! sounds that are functions of the text; it refuses to hear or to speak.

use bytes::Bytes;
use hyper::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::asked::{Asked, Said, hash};
use super::errors::Complaint;
use super::multipart;
use crate::random::Draws;
use crate::tokens;

/// Words of a transcript.
const TRANSCRIPT_WORDS: u64 = 12;

/// Bytes of sound per word.
const WORD_BYTES: u64 = 320;

/// Longest text to be spoken, in characters.
const LONGEST_TEXT: usize = 4_096;

/// Reads a request for a transcript.
pub(super) fn transcription(
    deployment: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Asked, Complaint> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parts = multipart::parts(content_type, body)?;
    let part = |name: &str| parts.iter().find(|part| part.name == name).map(|part| part.content);
    let text = |name: &str| part(name).map(|content| String::from_utf8_lossy(content).into_owned());
    let sound = part("file").ok_or_else(|| bad("file", "The form needs a part `file`."))?;
    let model = deployment.map(str::to_owned).or_else(|| text("model"));
    let model = model.ok_or_else(|| bad("model", "The form needs a part `model`."))?;
    let transcript = tokens::text_of(TRANSCRIPT_WORDS, hash(0, sound));
    let seconds = sound.len().div_ceil(16_000);
    let (content_type, body) = match text("response_format").as_deref() {
        None | Some("json") => {
            let usage = json!({"type": "duration", "seconds": seconds});
            ("application/json", json!({"text": transcript, "usage": usage}).to_string())
        }
        Some("verbose_json") => {
            let whole = json!({
                "task": "transcribe", "language": "english", "duration": seconds, "text": transcript, "segments": [],
            });
            ("application/json", whole.to_string())
        }
        Some("text") => ("text/plain; charset=utf-8", format!("{transcript}\n")),
        Some(_) => return Err(bad("response_format", "One of json, verbose_json and text.")),
    };
    Asked::said(model, 0, headers, Said::new(content_type, Bytes::from(body)))
}

#[derive(Deserialize)]
struct Speech {
    model: Option<String>,
    input: Option<String>,
    voice: Option<Value>,
    response_format: Option<String>,
}

/// Reads a request for speech.
pub(super) fn speech(deployment: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Asked, Complaint> {
    let speech: Speech = serde_json::from_slice(body).map_err(|error| {
        Complaint::bad_request(format!("We could not parse the JSON body of your request: {error}"))
    })?;
    let model =
        deployment.map(str::to_owned).or(speech.model).ok_or_else(|| bad("model", "`model` is missing."))?;
    let input = speech.input.ok_or_else(|| bad("input", "`input` is missing."))?;
    if input.chars().count() > LONGEST_TEXT {
        return Err(bad("input", format!("`input` must have at most {LONGEST_TEXT} characters.")));
    }
    if speech.voice.is_none() {
        return Err(bad("voice", "`voice` is missing."));
    }
    let content_type = match speech.response_format.as_deref() {
        None | Some("mp3") => "audio/mpeg",
        Some("opus") => "audio/ogg",
        Some("aac") => "audio/aac",
        Some("flac") => "audio/flac",
        Some("wav") => "audio/wav",
        Some("pcm") => "audio/pcm",
        Some(_) => return Err(bad("response_format", "One of mp3, opus, aac, flac, wav and pcm.")),
    };
    let words = tokens::count(&input);
    let mut draws = Draws::keyed(hash(0, input.as_bytes()), &[]);
    let sound: Vec<u8> = (0..words * WORD_BYTES / 8).flat_map(|_| draws.bits().to_le_bytes()).collect();
    Asked::said(model, words, headers, Said::new(content_type, Bytes::from(sound)))
}

fn bad(param: &str, message: impl Into<String>) -> Complaint {
    Complaint::bad_request(message).about(param)
}
