//! The server seen from a raw socket, so that nothing between us and the bytes can be lenient.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the exemption for tests does not reach the functions that serve them"
)]

mod answers;
mod anthropic;
mod chats;
mod doors;
mod faults;
mod lifetime;
mod responses;
mod services;
mod socket;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use model_sim::{Profile, SimConfig, SimHandle, spawn_thread, tokens};
use serde_json::{Value, json};

fn fast() -> SimConfig {
    SimConfig::new("sim", "m", Profile::hosted(Duration::from_millis(5), 1e6, Duration::from_millis(1)))
}

fn start(config: SimConfig) -> SimHandle {
    spawn_thread(TcpListener::bind("127.0.0.1:0").unwrap(), config).unwrap()
}

fn body(stream: bool, prompt: u64, output: u64) -> Value {
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": tokens::text_of(prompt, 3)}],
        "max_tokens": output,
        "stream": stream,
    });
    if stream {
        body["stream_options"] = json!({"include_usage": true});
    }
    body
}

/// Waits for a condition that another thread brings about.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what} did not come about");
        std::thread::yield_now();
    }
}
