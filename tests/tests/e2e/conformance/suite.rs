//! Running the suite. It owns the interpreter, the description it reads and what becomes of its words; it
//! refuses to judge: the suite's exit status does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use e2e::shared::missing;
use serde_json::json;
use tokio::process::Command;

use super::Kind;

/// Longer than the whole suite takes on a busy machine, or against backends that are slow.
const PATIENCE: Duration = Duration::from_secs(900);

/// The interpreter that has the clients; nothing, loudly, when there is none.
pub(super) fn python() -> Option<PathBuf> {
    let beside = || root().join(".venv/bin/python");
    let python = std::env::var_os("SLUICEGATE_PYTHON").map_or_else(beside, PathBuf::from);
    if python.exists() {
        return Some(python);
    }
    let what = format!("{} is not there; `scripts/venv` makes it", python.display());
    missing("SLUICEGATE_REQUIRE_PYTHON", &what);
    None
}

/// The page the matrix of simulated backends is kept in.
pub(super) fn page() -> PathBuf {
    root().join("docs/conformance.md")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs the suite against these kinds and gives what it printed.
pub(super) async fn run(python: &Path, kinds: &[Kind], arguments: &[&str]) -> String {
    let by_name: BTreeMap<&str, &Kind> = kinds.iter().map(|kind| (kind.name, kind)).collect();
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("target.json");
    std::fs::write(&target, json!({"kinds": by_name}).to_string()).unwrap();
    let mut command = Command::new(python);
    // Bytecode and caches would be written into the checkout.
    command.env("PYTHONDONTWRITEBYTECODE", "1").args([
        "-m",
        "pytest",
        "-q",
        "--tb=short",
        "-p",
        "no:cacheprovider",
    ]);
    command.arg(root().join("tests/python/conformance")).arg("--target").arg(&target);
    command.args(arguments).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("the suite ends").unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    said
}
