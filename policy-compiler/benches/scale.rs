//! How the compiler does with large manifests: what parsing, checking and lowering, loading and the memory for it
//! take, by the number of routes and access rules. Run with `cargo bench -p policy-compiler`; a size may be given.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench fails loudly and prints its figures")]

#[path = "scale/population.rs"]
mod population;

use std::hint::black_box;
use std::time::Instant;

use policy_compiler::{Source, compile, read};
use population::manifest;
use rule_table::{AclTable, Bundle, RouteTable};

/// The product's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

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
    drop(document);
    let outcome = timed("compile, parsing included", || compile(&source));
    let errors = outcome.findings.iter().filter(|finding| finding.is_error()).count();
    if let Some(peak) = peak() {
        println!("  peak memory so far {peak} MB");
    }
    println!("  findings {}, of them errors {errors}", outcome.findings.len());
    for finding in outcome.findings.iter().take(3) {
        println!("    {}", finding.one_line());
    }
    let document = outcome.document.expect("it was read");
    drop(outcome.manifest);
    let bundle = outcome.bundle.expect("a sound manifest");
    let bytes = timed("write the bundle", || bundle.to_bytes());
    println!("  bundle {:.1} MB", bytes.len() as f64 / 1e6);
    drop(bundle);
    let loaded = timed("load the bundle", || Bundle::from_bytes(&bytes).expect("what was written"));
    timed("build the index of routes", || black_box(RouteTable::build(loaded.policy())));
    timed("build the index of rules", || black_box(AclTable::build(loaded.policy())));
    drop(loaded);
    let json = Source::new("gateway.json", document.root.to_json().to_string());
    timed("parse JSON", || black_box(read(&json)));
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    match given {
        Some(size) => measure(size),
        None => SIZES.into_iter().for_each(measure),
    }
}
