//! The canonical form of what is read is its own canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use waf::fields::{Bounds, Classes, Schema, read};

fuzz_target!(|bytes: &[u8]| {
    for name in Schema::NAMES {
        let Some(schema) = Schema::named(name) else { continue };
        if let Ok(once) = read(&schema, bytes, &Bounds::default(), Classes::default()) {
            let twice = read(&schema, &once.canonical, &Bounds::default(), Classes::default());
            assert_eq!(twice.ok().map(|twice| twice.canonical), Some(once.canonical));
        }
    }
});
