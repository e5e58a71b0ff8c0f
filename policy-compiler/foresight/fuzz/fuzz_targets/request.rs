//! Any bytes: a request that no debug output quotes, or a fault on one of their lines.
#![no_main]

use foresight::Request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    match Request::parse(bytes) {
        Ok(request) => assert!(request.body.len() <= bytes.len()),
        Err(fault) => assert!(fault.line <= bytes.iter().filter(|byte| **byte == b'\n').count() + 2),
    }
});
