//! What the request path pays per stream event and per request body.
#![expect(missing_docs, reason = "criterion's macro makes a public function without any")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vocabulary::Operation;
use wire::stream::classify;
use wire::translate::{self, Backend, Envelope, Format, RequestOptions, Stream, ThinkingStyle};
use wire::{Edits, Splitter, StreamTap, extract, extract_with_layout};

const EVENTS: u64 = 64;

/// A chunk of 64 events of about 200 bytes, as one read from a busy backend.
fn chunk() -> Bytes {
    let event = concat!(
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"gpt-4o","#,
        r#""choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        "\n\n"
    );
    event.repeat(64).into()
}

/// A chat of several messages with about `bytes` of text.
fn chat(bytes: usize) -> Bytes {
    let text = "The quick brown fox said \\\"jump\\\" and jumped over the lazy dog.\\n".repeat(bytes / 256);
    let message = |role| format!(r#"{{"role":"{role}","content":"{text}"}}"#);
    let messages = ["system", "user", "assistant", "user"].map(message).join(",");
    format!(r#"{{"model":"gpt-4o","stream":true,"messages":[{messages}],"max_tokens":256}}"#).into()
}

fn streams(criterion: &mut Criterion) {
    let chunk = chunk();
    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("split", |bencher| {
        bencher.iter_batched_ref(
            || Splitter::new(1 << 16),
            |splitter| {
                splitter.push(chunk.clone());
                while let Some(event) = splitter.next_event() {
                    let _ = black_box(event);
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("split and classify", |bencher| {
        bencher.iter_batched_ref(
            || Splitter::new(1 << 16),
            |splitter| {
                splitter.push(chunk.clone());
                while let Some(Ok(event)) = splitter.next_event() {
                    black_box(classify(Operation::Chat, &event));
                }
            },
            BatchSize::SmallInput,
        );
    });
    for (name, usage_wanted) in [("tap, usage wanted", true), ("tap, usage stripped", false)] {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || StreamTap::new(Operation::Chat, 1 << 16, usage_wanted),
                |tap| {
                    tap.push(chunk.clone());
                    while let Some(relayed) = tap.next_event() {
                        let _ = black_box(relayed);
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("body");
    for kibibytes in [2, 32] {
        let body = chat(kibibytes * 1024);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("facts, {kibibytes} KiB chat"), |bencher| {
            bencher.iter(|| extract(Operation::Chat, black_box(&body)));
        });
        let edits = Edits { model: Some("upstream-model"), include_usage: true, ..Edits::default() };
        group.bench_function(format!("facts and edits, {kibibytes} KiB chat"), |bencher| {
            bencher.iter(|| {
                let (facts, layout) = extract_with_layout(Operation::Chat, black_box(&body)).ok()?;
                Some((facts, layout.apply(&body, &edits)))
            });
        });
    }
    group.finish();
}

fn translations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("translate");
    let options = RequestOptions {
        model: "upstream-model",
        default_max_tokens: 4096,
        include_usage: true,
        thinking: ThinkingStyle::Adaptive,
    };
    for kibibytes in [2, 32] {
        let chat = chat(kibibytes * 1024);
        group.throughput(Throughput::Bytes(chat.len() as u64));
        group.bench_function(format!("{kibibytes} KiB chat request to messages"), |bencher| {
            bencher.iter(|| translate::request(Format::Chat, Backend::Messages, black_box(&chat), &options));
        });
        let Ok(messages) = translate::request(Format::Chat, Backend::Messages, &chat, &options) else {
            return;
        };
        group.bench_function(format!("{kibibytes} KiB messages request to chat"), |bencher| {
            let body = &messages.body;
            bencher.iter(|| translate::request(Format::Messages, Backend::Chat, black_box(body), &options));
        });
    }
    let chunk = chunk();
    group.throughput(Throughput::Elements(EVENTS));
    for (name, to) in [("messages", Format::Messages), ("responses", Format::Responses)] {
        group.bench_function(format!("chat stream to {name}"), |bencher| {
            let envelope = Envelope { id: "1".to_owned(), created_unix: 1, model: "m".to_owned() };
            bencher.iter_batched_ref(
                || (Splitter::new(1 << 16), Stream::new(Backend::Chat, to, envelope.clone(), true, 1)),
                |(splitter, stream)| {
                    splitter.push(chunk.clone());
                    while let Some(Ok(event)) = splitter.next_event() {
                        black_box(stream.event(&event));
                    }
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, streams, bodies, translations);
criterion_main!(benches);
