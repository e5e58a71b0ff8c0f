//! What the compiler takes for large policies: parsing, compiling with every proof, the bundle, loading it, and
//! memory. It owns the figures and that each size has a process of its own, whose memory is then its own; the
//! manifests are those of the compiler's own bench.

#[path = "../../../../policy-compiler/benches/scale/population.rs"]
mod population;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use policy_compiler::{Source, compile, read};
use population::manifest;
use rule_table::{AclTable, Bundle, RouteTable};
use serde::{Deserialize, Serialize};

use crate::Fallible;
use crate::table::Table;

/// So many routes, and as many access rules.
const SIZES: [u32; 3] = [1_000, 10_000, 100_000];

/// One size. Times are in milliseconds of the wall clock.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Compiled {
    pub(crate) routes: u32,
    pub(crate) yaml_bytes: usize,
    pub(crate) parse_yaml_ms: f64,
    pub(crate) parse_json_ms: f64,
    /// After parsing: schema, names, every proof, lowering.
    pub(crate) compile_ms: f64,
    /// Findings, of which a sound manifest has none.
    pub(crate) findings: usize,
    pub(crate) bundle_bytes: usize,
    pub(crate) load_ms: f64,
    pub(crate) index_ms: f64,
    /// What changes one route in a hundred, compared with the manifest before; where that is asked for.
    pub(crate) diff_ms: Option<f64>,
    /// Resident memory at most: before anything, after parsing YAML, and once compiled.
    pub(crate) peaks_mib: [u64; 3],
}

impl Compiled {
    /// What `check` takes: reading the YAML, and everything up to the last proof.
    pub(crate) fn check_ms(&self) -> f64 {
        self.parse_yaml_ms + self.compile_ms
    }
}

/// Every size, each in a process of its own.
pub(crate) fn run(this: &Path) -> Fallible<Vec<Compiled>> {
    let one = |size: &u32| -> Fallible<Compiled> {
        let output = Command::new(this).args(["compile", &size.to_string()]).output()?;
        if !output.status.success() {
            return Err(format!(
                "compiling {size} routes failed: {}",
                String::from_utf8_lossy(&output.stderr)
            )
            .into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    SIZES.iter().map(one).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let value = work();
    (value, start.elapsed().as_secs_f64() * 1e3)
}

/// High-water mark of this process's memory, in MiB; nought where the system does not tell.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

/// Measures one size in this process.
pub(crate) fn measure(routes: u32) -> Fallible<Compiled> {
    let text = manifest(routes);
    let yaml_bytes = text.len();
    let before = peak();
    let source = Source::new("gateway.yaml", text);
    let (document, parse_yaml_ms) = timed(|| read(&source));
    let parsed = peak();
    drop(document);
    let (outcome, whole_ms) = timed(|| compile(&source));
    let compiled = peak();
    let findings = outcome.findings.len();
    let bundle = outcome.bundle.ok_or("the manifest is not sound")?;
    let json = read(&source).map(|document| document.root.to_json().to_string()).unwrap_or_default();
    drop(source);
    let json = Source::new("gateway.json", json);
    let (_, parse_json_ms) = timed(|| black_box(read(&json)));
    drop(json);
    let bytes = bundle.to_bytes();
    let diff_ms = (routes <= 1_000).then(|| differs(&bundle, routes)).transpose()?;
    drop(bundle);
    let (loaded, load_ms) = timed(|| Bundle::from_bytes(&bytes));
    let loaded = loaded?;
    let (_, index_ms) =
        timed(|| black_box((RouteTable::build(loaded.policy()), AclTable::build(loaded.policy()))));
    Ok(Compiled {
        routes,
        yaml_bytes,
        parse_yaml_ms,
        parse_json_ms,
        compile_ms: (whole_ms - parse_yaml_ms).max(0.0),
        findings,
        bundle_bytes: bytes.len(),
        load_ms,
        index_ms,
        diff_ms,
        peaks_mib: [before, parsed, compiled],
    })
}

/// Both manifests compiled and compared, as `sluicegate diff` does.
fn differs(old: &Bundle, routes: u32) -> Fallible<f64> {
    let text =
        manifest(routes).replace("t1.llm.corp", "t1.llm.example").replace("pool: pool-7,", "pool: pool-8,");
    let start = Instant::now();
    let again =
        compile(&Source::new("old.yaml", manifest(routes))).bundle.ok_or("the manifest is not sound")?;
    let new = compile(&Source::new("new.yaml", text)).bundle.ok_or("the changed manifest is not sound")?;
    let diff = foresight::diff(again.policy(), new.policy(), 0);
    let elapsed = start.elapsed().as_secs_f64() * 1e3;
    if diff.classes.is_empty() || again.digest() != old.digest() {
        return Err("the changes were not found".into());
    }
    Ok(elapsed)
}

/// A column for each size.
pub(crate) fn table(sizes: &[Compiled]) -> Table {
    let mut table = Table::new(&["routes, and as many access rules", "1,000", "10,000", "100,000"]);
    let mut line = |what: &str, figure: &dyn Fn(&Compiled) -> String| {
        table.push([what.to_owned()].into_iter().chain(sizes.iter().map(figure)).collect());
    };
    let mb = |bytes: usize| format!("{:.1}", bytes as f64 / 1e6);
    line("manifest, MB of YAML", &|one| mb(one.yaml_bytes));
    line("parse YAML, ms", &|one| format!("{:.0}", one.parse_yaml_ms));
    line("parse JSON, ms", &|one| format!("{:.0}", one.parse_json_ms));
    line("compile with every proof, after parsing, ms", &|one| format!("{:.0}", one.compile_ms));
    line("findings", &|one| one.findings.to_string());
    line("bundle, MB", &|one| mb(one.bundle_bytes));
    line("load the bundle, ms", &|one| format!("{:.1}", one.load_ms));
    line("build the engines, ms", &|one| format!("{:.1}", one.index_ms));
    line("diff of two such manifests, compiling both included, ms", &|one| {
        one.diff_ms.map_or(String::new(), |ms| format!("{ms:.0}"))
    });
    line("memory at most after parsing, MiB", &|one| one.peaks_mib[1].to_string());
    line("memory at most, MiB", &|one| one.peaks_mib[2].to_string());
    table
}
