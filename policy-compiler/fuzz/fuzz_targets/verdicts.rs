//! Any request gets the same verdict with every shortcut of the engine and with none.
#![no_main]

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use policy_compiler::seclang::{Entry, RuleFiles, Settings, load};
use waf::request::{Line, Pair};
use waf::run::{Circumstances, Engine, Inspection, NothingOutside, Shortcuts};

const RULES: &str = include_str!("verdicts.conf");

struct One;

impl RuleFiles for One {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(RULES.as_bytes().to_vec())
    }

    fn glob(&self, pattern: &str) -> Result<Vec<String>, String> {
        Ok(vec![pattern.to_owned()])
    }
}

fn engine(shortcuts: Shortcuts) -> Arc<Engine> {
    let entry = Entry { setup: Vec::new(), rules: vec!["verdicts.conf".to_owned()] };
    let loaded = load(&One, &entry, &Settings::default()).expect("rules of our own");
    Arc::new(Engine::with(loaded.program, shortcuts).expect("rules that run"))
}

static WITH: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(Shortcuts::default()));
static WITHOUT: LazyLock<Arc<Engine>> = LazyLock::new(|| engine(Shortcuts { identity: false, gates: false }));

fn verdict(engine: &Arc<Engine>, target: &[u8], header: &[u8], body: &[u8]) -> String {
    let circumstances = Circumstances {
        client: SocketAddr::from(([192, 0, 2, 1], 1)),
        server: SocketAddr::from(([192, 0, 2, 2], 80)),
        unique_id: "id".to_owned(),
        epoch_seconds: 0,
        outside: Arc::new(NothingOutside),
    };
    let mut inspection = Inspection::new(Arc::clone(engine), circumstances);
    let pair = |name: &[u8], value: &[u8]| Pair { name: name.to_vec(), value: value.to_vec() };
    let headers =
        vec![pair(b"Content-Type", b"application/x-www-form-urlencoded"), pair(b"User-Agent", header)];
    inspection.request_head(&Line { method: b"POST", target, protocol: b"HTTP/1.1" }, headers);
    inspection.request_body(body);
    format!("{:?} {:?} {:?}", inspection.refusal(), inspection.matches(), inspection.score("score"))
}

fuzz_target!(|input: (&[u8], &[u8], &[u8])| {
    let (target, header, body) = input;
    assert_eq!(verdict(&WITH, target, header, body), verdict(&WITHOUT, target, header, body));
});
