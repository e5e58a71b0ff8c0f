//! Bodies of XML of any bytes are taken apart without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::program::{BodyProcessor, Reading};
use waf::request::read_body;

fuzz_target!(|bytes: &[u8]| {
    let _ = read_body(bytes, Some(b"text/xml"), Some(BodyProcessor::Xml), &Reading::default());
});
