//! How the compiler does with large manifests: what parsing, checking and lowering, loading and the memory for it
//! take, by the number of routes and access rules. Run with `cargo bench -p policy-compiler`; a size may be given.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench fails loudly and prints its figures")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use policy_compiler::{Source, compile, read};
use rule_table::{AclTable, Bundle, RouteTable};

/// The product's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// What a platform with many tenants writes: a host per tenant, with AI operations and plain services behind it, and
/// rules over networks, paths and headers.
fn manifest(routes: u32) -> String {
    let mut text = String::from(
        "apiVersion: sluicegate/v1\n\
         listeners:\n  gateway: {address: 127.0.0.1:8080}\n\
         backends:\n  vllm: {kind: vllm, url: \"http://127.0.0.1:8000\", models: {llama-70b: {}}}\n  \
         files: {kind: http, url: \"http://127.0.0.1:9000\"}\n\
         pools:\n",
    );
    for pool in 0..20 {
        let member = if pool < 10 { "vllm" } else { "files" };
        let _ = writeln!(text, "  pool-{pool}: {{members: [{member}]}}");
    }
    text.push_str("routes:\n");
    for index in 0..routes {
        let (tenant, service) = (index / 20, index % 20);
        let condition = match service {
            0 => "path: /v1/chat/completions, method: POST".to_owned(),
            1 => "path: /v1/embeddings, method: POST".to_owned(),
            2 => "path: /v1/responses, method: POST".to_owned(),
            3 => "path: /v1/messages, method: POST".to_owned(),
            4..10 => format!("path: /v1/*, header: {{x-service: s{service}}}"),
            10..12 => format!("path: \"/s{service}/{{user}}/files\", method: [GET, POST]"),
            12..16 => format!("path: /s{service}/v1/files, method: [GET, POST]"),
            _ => format!("path: /s{service}/v1/*, method: [GET, POST]"),
        };
        let _ = writeln!(
            text,
            "  r{index}: {{match: {{host: t{tenant}.llm.corp, {condition}}}, pool: pool-{service}, public: true}}"
        );
    }
    text.push_str("acl:\n");
    for index in 0..routes {
        let network = Ipv4Addr::from_bits(0x0b00_0000 + (index << 8));
        let when = match index % 4 {
            0 | 1 => format!("address: {network}/24"),
            2 => format!("path: /private/{index}/*"),
            _ => format!("header: {{x-client: c{index}}}, method: POST"),
        };
        let priority = index + 1;
        let _ = writeln!(text, "  a{index}: {{priority: {priority}, when: {{{when}}}, action: block}}");
    }
    text
}

/// High-water mark of this process's memory, in MB; nothing where the system does not tell.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1024)
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let value = work();
    println!("  {what:<28} {:>9.1} ms", start.elapsed().as_secs_f64() * 1e3);
    value
}

fn measure(size: u32) {
    let text = manifest(size);
    println!("{size} routes and {size} access rules, {:.1} MB of YAML", text.len() as f64 / 1e6);
    let source = Source::new("gateway.yaml", text);
    let document = timed("parse YAML", || read(&source)).expect("it is YAML");
    if let Some(peak) = peak() {
        println!("  peak memory so far {peak} MB");
    }
    let json = Source::new("gateway.json", document.root.to_json().to_string());
    drop(document);
    timed("parse JSON", || black_box(read(&json)));
    drop(json);
    if let Some(peak) = peak() {
        println!("  peak memory so far {peak} MB");
    }
    let outcome = timed("compile, parsing included", || compile(&source));
    let errors = outcome.findings.iter().filter(|finding| finding.is_error()).count();
    println!("  findings {}, of them errors {errors}", outcome.findings.len());
    for finding in outcome.findings.iter().take(3) {
        println!("    {}", finding.one_line());
    }
    let bundle = outcome.bundle.expect("a sound manifest");
    let bytes = timed("write the bundle", || bundle.to_bytes());
    println!("  bundle {:.1} MB", bytes.len() as f64 / 1e6);
    drop(bundle);
    let loaded = timed("load the bundle", || Bundle::from_bytes(&bytes).expect("what was written"));
    timed("build the index of routes", || black_box(RouteTable::build(loaded.policy())));
    timed("build the index of rules", || black_box(AclTable::build(loaded.policy())));
    if let Some(peak) = peak() {
        println!("  peak memory so far {peak} MB");
    }
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    match given {
        Some(size) => measure(size),
        None => SIZES.into_iter().for_each(measure),
    }
}
