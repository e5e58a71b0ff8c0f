//! Forms, JSON read leniently, targets and cookies of any bytes are taken apart without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::program::{BodyProcessor, Reading};
use waf::request::{Line, Pair, arguments_elsewhere, read_body, read_head};

fuzz_target!(|bytes: &[u8]| {
    let reading = Reading::default();
    for processor in [BodyProcessor::Urlencoded, BodyProcessor::Json] {
        let read = read_body(bytes, Some(b"x/y"), Some(processor), &reading);
        assert!(read.args.len() <= reading.arguments_limit as usize);
    }
    let cookie = Pair { name: b"cookie".to_vec(), value: bytes.to_vec() };
    let _ = read_head(&Line { method: b"GET", target: bytes, protocol: b"HTTP/1.1" }, &[cookie], &reading);
    let _ = arguments_elsewhere(&[("cookie", bytes), ("x-own", bytes)]);
});
