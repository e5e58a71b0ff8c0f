//! Bodies of `multipart/form-data` of any bytes, under any boundary, are taken apart without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::program::{BodyProcessor, Reading};
use waf::request::read_body;

fuzz_target!(|bytes: &[u8]| {
    let reading = Reading::default();
    let (head, body) = bytes.split_at(bytes.len().min(16));
    let own = [b"multipart/form-data; boundary=".as_slice(), head].concat();
    for content_type in [b"multipart/form-data; boundary=B".as_slice(), &own] {
        let read = read_body(body, Some(content_type), Some(BodyProcessor::Multipart), &reading);
        assert!(read.args.len() <= reading.arguments_limit as usize);
    }
});
