//! Server-sent events, strict JSON and dialects: pure functions over bytes.
