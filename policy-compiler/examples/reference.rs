//! Writes what is generated from this crate into `docs/`: the manifest's JSON Schema and the page of
//! findings. Run from anywhere: `cargo run -p policy-compiler --example reference`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::write(docs.join("gateway.schema.json"), policy_compiler::schema_text())?;
    std::fs::write(docs.join("findings.md"), policy_compiler::reference())
}
