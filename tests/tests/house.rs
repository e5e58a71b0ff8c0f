//! The rules of the house that no compiler checks: who may import whom, where Pingora and IO may be known,
//! and that the papers are true of the tree. It owns the rules about crates and papers; rules about text
//! are `scripts/tidy`'s, which it runs.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Crates that take time, randomness, files and sockets as arguments.
const CORES: [&str; 9] = [
    "vocabulary",
    "rule-table",
    "waf",
    "policy-compiler",
    "foresight",
    "wire",
    "ledger",
    "feedback-loop",
    "decision",
];

/// What a core's own code must not say.
const IO: [&str; 8] = [
    "Instant::now",
    "SystemTime::now",
    "std::fs",
    "std::env",
    "TcpStream",
    "UdpSocket",
    "thread::spawn",
    "thread::sleep",
];

/// What a core must not depend on.
const RUNTIMES: [&str; 6] = ["tokio", "hyper", "mio", "notify", "reqwest", "pingora"];

/// The one room that knows Pingora, and the yardstick that measures us beside it.
const KNOWS_PINGORA: [&str; 3] = ["proxy/src/edge/", "proxy/src/edge.rs", "tests/src/bin/bench"];

/// Spelt in two parts so that this file does not break the rule it states.
const PINGORA: &str = concat!("pingora", "_");

/// A crate of this workspace.
struct Crate {
    name: String,
    /// Folder, relative to the workspace's root.
    folder: PathBuf,
    /// What its library or binary is built from: dev-dependencies are left out.
    imports: Vec<String>,
}

/// One permission of ARCHITECTURE.md's table.
#[derive(Debug, PartialEq)]
struct Edge {
    from: String,
    to: String,
    because: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn paper(name: &str) -> Fallible<String> {
    fs::read_to_string(root().join(name)).map_err(|error| format!("{name}: {error}").into())
}

fn workspace() -> Fallible<Vec<Crate>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let top = metadata.get("workspace_root").and_then(|root| root.as_str()).ok_or("no workspace_root")?;
    let packages = metadata.get("packages").and_then(|packages| packages.as_array()).ok_or("no packages")?;
    packages.iter().map(|package| member(package, Path::new(top))).collect()
}

fn member(package: &serde_json::Value, top: &Path) -> Fallible<Crate> {
    let text = |key: &str| {
        package.get(key).and_then(|value| value.as_str()).ok_or_else(|| format!("a package without {key}"))
    };
    let folder = Path::new(text("manifest_path")?).parent().ok_or("no folder")?.strip_prefix(top)?;
    let dependencies =
        package.get("dependencies").and_then(|list| list.as_array()).ok_or("no dependencies")?;
    let imports =
        dependencies.iter().filter(|dependency| dependency.get("kind").is_none_or(|kind| kind != "dev"));
    Ok(Crate {
        name: text("name")?.to_owned(),
        folder: folder.to_owned(),
        imports: imports
            .filter_map(|dependency| Some(dependency.get("name")?.as_str()?.to_owned()))
            .collect(),
    })
}

/// The rows between the two `imports` markers: `| from | to | reason |`, crate names in backticks, `any`
/// for every crate.
fn edges(architecture: &str) -> Fallible<Vec<Edge>> {
    let (_, rest) = architecture.split_once("<!-- imports -->").ok_or("no <!-- imports --> marker")?;
    let (table, _) = rest.split_once("<!-- /imports -->").ok_or("no <!-- /imports --> marker")?;
    let rows = table.lines().map(str::trim).filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            [from, to, because] if !because.is_empty() => Ok(Edge {
                from: from.trim_matches('`').to_owned(),
                to: to.trim_matches('`').to_owned(),
                because: (*because).to_owned(),
            }),
            _ => Err(format!("a row needs importer, imported and a reason: {row}").into()),
        }
    })
    .collect()
}

fn allows(edge: &Edge, from: &str, to: &str) -> bool {
    (edge.from == "any" || edge.from == from) && (edge.to == "any" || edge.to == to)
}

fn forbidden_imports(crates: &[Crate], edges: &[Edge]) -> Vec<String> {
    let ours: BTreeSet<&str> = crates.iter().map(|member| member.name.as_str()).collect();
    let mut found = Vec::new();
    for member in crates {
        let imports = member.imports.iter().filter(|name| ours.contains(name.as_str()));
        for name in imports.filter(|name| !edges.iter().any(|edge| allows(edge, &member.name, name))) {
            found.push(format!(
                "{} imports {name}, which ARCHITECTURE.md does not allow: remove it from {}/Cargo.toml, or argue the edge",
                member.name,
                member.folder.display(),
            ));
        }
    }
    found
}

/// Every Rust file below `folder`, relative to the root, in a fixed order.
fn rust_files(folder: &Path) -> Fallible<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root().join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if !path.ends_with("target") {
                    open.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Lines of code with their numbers: comments left out, and everything from an inline test module on.
fn shipped_code(text: &str) -> Vec<(usize, &str)> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let opens_tests = |pair: &[&str]| matches!(pair, ["#[cfg(test)]", opened] if opened.ends_with('{'));
    let end = lines.windows(2).position(opens_tests).unwrap_or(lines.len());
    (1..).zip(lines).take(end).filter(|(_, line)| !line.starts_with("//")).collect()
}

fn is_test_file(path: &Path) -> bool {
    path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

fn tidy(folder: &Path) -> Fallible<Output> {
    Ok(Command::new(root().join("scripts/tidy")).arg(folder).output()?)
}

#[test]
fn our_crates_import_each_other_only_as_the_architecture_allows() -> Fallible<()> {
    let found = forbidden_imports(&workspace()?, &edges(&paper("ARCHITECTURE.md")?)?);
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn an_import_outside_the_table_is_found_and_named() {
    let member = |name: &str, imports: &[&str]| Crate {
        name: name.to_owned(),
        folder: name.into(),
        imports: imports.iter().map(|import| (*import).to_owned()).collect(),
    };
    let edge = |from: &str, to: &str| Edge { from: from.into(), to: to.into(), because: "it must".into() };
    let crates = [
        member("wire", &["vocabulary", "decision", "serde"]),
        member("decision", &["wire"]),
        member("vocabulary", &[]),
    ];
    let found = forbidden_imports(&crates, &[edge("any", "vocabulary"), edge("decision", "wire")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("wire imports decision,"), "{found:?}");
}

#[test]
fn the_table_of_imports_names_every_crate_once_per_edge_and_no_other() -> Fallible<()> {
    let names: BTreeSet<String> = workspace()?.into_iter().map(|member| member.name).collect();
    let edges = edges(&paper("ARCHITECTURE.md")?)?;
    let mut seen = BTreeSet::new();
    for edge in &edges {
        assert!(seen.insert((&edge.from, &edge.to)), "{} -> {} stands twice", edge.from, edge.to);
        for end in [&edge.from, &edge.to] {
            assert!(
                end == "any" || names.contains(end),
                "the table names `{end}`, which is no crate of ours"
            );
        }
    }
    for name in &names {
        let named = edges.iter().any(|edge| edge.from == *name || edge.to == *name);
        assert!(named, "`{name}` has no row: say in ARCHITECTURE.md who may import it and why");
    }
    Ok(())
}

#[test]
fn no_import_is_allowed_that_nobody_uses() -> Fallible<()> {
    let crates = workspace()?;
    let edges = edges(&paper("ARCHITECTURE.md")?)?;
    for edge in edges.iter().filter(|edge| edge.from != "any" && edge.to != "any") {
        let used = crates.iter().any(|member| member.name == edge.from && member.imports.contains(&edge.to));
        assert!(used, "{} no longer imports {}: withdraw the row ({})", edge.from, edge.to, edge.because);
    }
    Ok(())
}

#[test]
fn a_row_without_a_reason_is_refused() {
    let table =
        |row: &str| format!("<!-- imports -->\n| a | b | c |\n|---|---|---|\n{row}\n<!-- /imports -->");
    assert_eq!(edges(&table("| `wire` | `vocabulary` | words |")).unwrap()[0].to, "vocabulary");
    for row in ["| `wire` | `vocabulary` | |", "| `wire` | `vocabulary` |"] {
        assert!(edges(&table(row)).is_err(), "{row}");
    }
}

#[test]
fn only_the_edge_knows_pingora() -> Fallible<()> {
    for member in workspace()? {
        let knows = member.name == "sluicegate" || member.name == "e2e";
        let import = member.imports.iter().find(|name| name.starts_with("pingora"));
        assert!(
            knows || import.is_none(),
            "{} depends on {import:?}: only proxy/src/edge may know it",
            member.name
        );
        for path in rust_files(&member.folder)? {
            let text = fs::read_to_string(root().join(&path))?;
            let place = path.display().to_string();
            if KNOWS_PINGORA.iter().any(|room| place.starts_with(room)) {
                continue;
            }
            for (number, line) in
                text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                let number = number + 1;
                assert!(!line.contains(PINGORA), "{place}:{number}: Pingora outside proxy/src/edge/: {line}");
            }
        }
    }
    Ok(())
}

#[test]
fn cores_know_no_clock_socket_file_or_runtime() -> Fallible<()> {
    let crates = workspace()?;
    for core in CORES {
        let member =
            crates.iter().find(|member| member.name == core).ok_or_else(|| format!("no crate {core}"))?;
        for import in &member.imports {
            let runtime = RUNTIMES.iter().any(|runtime| import.starts_with(runtime));
            assert!(!runtime, "{core} is a core and may not depend on {import}");
        }
        for path in rust_files(&member.folder.join("src"))?.iter().filter(|path| !is_test_file(path)) {
            let text = fs::read_to_string(root().join(path))?;
            for (number, line) in shipped_code(&text) {
                let said = IO.iter().find(|word| line.contains(*word));
                assert!(
                    said.is_none(),
                    "{}:{number}: a core takes this as an argument: {line}",
                    path.display()
                );
            }
        }
    }
    Ok(())
}

#[test]
fn code_after_a_test_module_in_its_own_file_still_counts() {
    let lines = |text| shipped_code(text).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
    assert_eq!(lines("a\n// b\n#[cfg(test)]\nmod tests;\nc"), [1, 3, 4, 5]);
    assert_eq!(lines("a\n#[cfg(test)]\nmod tests {\nb\n}"), [1]);
}

#[test]
fn the_tree_is_tidy() -> Fallible<()> {
    let output = tidy(&root())?;
    let breaches = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{breaches}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn tidy_finds_each_breach_it_is_for() -> Fallible<()> {
    let tree = tempfile::tempdir()?;
    let source = tree.path().join("room/src");
    fs::create_dir_all(source.join("tests"))?;
    fs::write(source.join("silent.rs"), "fn main() {}\n")?;
    fs::write(source.join("long.rs"), format!("//! Opens.\n{}", "\n".repeat(450)))?;
    fs::write(
        source.join("argued.rs"),
        format!("//! Opens.\n//! Long because it is one table.\n{}", "\n".repeat(450)),
    )?;
    fs::write(source.join("tests/case.rs"), "fn a_test_file_needs_no_opening() {}\n")?;
    fs::write(tree.path().join("note.md"), concat!("see /ho", "me/someone/notes\n", "TO", "DO later\n"))?;
    let output = tidy(tree.path())?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    let expected = ["note.md:1:", "note.md:2:", "room/src/long.rs:451:", "room/src/silent.rs:1:"];
    let mut found: Vec<&str> = said.lines().collect();
    found.sort_unstable();
    assert_eq!(found.len(), expected.len(), "{said}");
    for (line, start) in found.iter().zip(expected) {
        assert!(line.starts_with(start), "{line} should start with {start}");
    }
    Ok(())
}

#[test]
fn the_readme_gives_the_two_commands() -> Fallible<()> {
    let readme = paper("README.md")?;
    for command in ["make quickstart", "make test"] {
        let given =
            readme.lines().any(|line| line.split('#').next().is_some_and(|code| code.trim() == command));
        assert!(given, "README.md does not show `{command}` on a line of its own");
    }
    Ok(())
}

#[test]
fn every_link_between_the_papers_leads_to_a_file() -> Fallible<()> {
    for entry in fs::read_dir(root())?.chain(fs::read_dir(root().join("docs"))?) {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains(':')) {
            let there = path.parent().is_some_and(|folder| folder.join(target).exists());
            assert!(there, "{} links to {target}, which is not there", path.display());
        }
    }
    Ok(())
}
