//! THIRD-PARTY.md lists what is built into the library and the server. `make notices` writes it.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// What is not a crate. The server is linked with LLVM, libstdc++, libgcc and libffi; SQLite and zstd are part of crates.
const LIBRARIES: &str = "\
| what | part of | licence |
|---|---|---|
| LLVM 22 | the server | Apache-2.0 WITH LLVM-exception |
| libstdc++, libgcc | the server, where LLVM is linked statically | GPL-3.0-or-later WITH GCC-exception-3.1 |
| libffi | the server, where LLVM is linked statically | MIT |
| Rust's standard library | library and server | MIT OR Apache-2.0 |
| SQLite, in the crate libsqlite3-sys | the library | public domain |
| Zstandard, in the crate zstd-sys | library and server | BSD-3-Clause |
";

fn metadata() -> Value {
    // For other platforms, cargo would have to download what is not built here.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo metadata: {error}");
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Follows the dependencies that are linked: neither those of build scripts and tests, nor procedural macros.
fn linked(metadata: &Value) -> BTreeSet<String> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let list = |value: &Value| value.as_array().expect("an array").clone();
    let nodes: BTreeMap<String, Value> = list(&metadata["resolve"]["nodes"])
        .into_iter()
        .map(|node| (text(&node["id"]), node))
        .collect();
    let macros: BTreeSet<String> = list(&metadata["packages"])
        .iter()
        .filter(|package| {
            list(&package["targets"])
                .iter()
                .any(|target| target["kind"][0] == "proc-macro")
        })
        .map(|package| text(&package["id"]))
        .collect();
    let root = text(&metadata["resolve"]["root"]);
    let mut seen = BTreeSet::from([root.clone()]);
    let mut work = vec![root.clone()];
    while let Some(id) = work.pop() {
        for dependency in list(&nodes[&id]["deps"]) {
            let id = text(&dependency["pkg"]);
            let normal = list(&dependency["dep_kinds"])
                .iter()
                .any(|kind| kind["kind"].is_null());
            if normal && !macros.contains(&id) && seen.insert(id.clone()) {
                work.push(id);
            }
        }
    }
    seen.remove(&root);
    seen
}

#[test]
fn notices_are_up_to_date() {
    let metadata = metadata();
    let linked = linked(&metadata);
    let mut crates = BTreeSet::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let field = |name: &str| package[name].as_str().unwrap_or("not stated");
        if linked.contains(field("id")) {
            crates.insert([field("name"), field("version"), field("license")]);
        }
    }
    assert!(crates.len() > 20, "only {} crates", crates.len());

    let mut text = format!(
        "# Third-party notices\n\nWhat is built into libmgenjit and mgenjit-server. The licences' texts are in the \
         sources of each.\nThis file is generated: `make notices` writes it.\n\n## Libraries\n\n{LIBRARIES}\n\
         ## Crates\n\n| crate | version | licence |\n|---|---|---|\n"
    );
    for [name, version, license] in crates {
        writeln!(text, "| {name} | {version} | {license} |").expect("a string grows");
    }

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("THIRD-PARTY.md");
    if std::env::var_os("MGENJIT_WRITE_NOTICES").is_some() {
        std::fs::write(&path, &text).expect("write the notices");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "THIRD-PARTY.md is not what Cargo.lock says: run `make notices` and commit it"
    );
}
