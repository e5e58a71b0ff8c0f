//! The canonical form of what is read is its own canonical form.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use waf::fields::{Bounds, Classes, Schema, read};

static SCHEMAS: LazyLock<Vec<Schema>> =
    LazyLock::new(|| Schema::NAMES.into_iter().filter_map(Schema::named).collect());

fuzz_target!(|bytes: &[u8]| {
    for schema in SCHEMAS.iter() {
        if let Ok(once) = read(schema, bytes, &Bounds::default(), Classes::default()) {
            let twice = read(schema, &once.canonical, &Bounds::default(), Classes::default());
            assert_eq!(twice.ok().map(|twice| twice.canonical), Some(once.canonical));
        }
    }
});
