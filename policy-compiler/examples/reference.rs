//! Writes what is generated from this crate into `docs/`: the manifest's JSON Schema, the pages of its
//! sections and the page of findings. Run from anywhere: `cargo run -p policy-compiler --example reference`.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    std::fs::write(docs.join("gateway.schema.json"), policy_compiler::schema_text())?;
    let reference = docs.join("reference");
    std::fs::create_dir_all(&reference)?;
    for (name, text) in policy_compiler::pages() {
        std::fs::write(reference.join(name), text)?;
    }
    std::fs::write(docs.join("findings.md"), policy_compiler::reference())
}
