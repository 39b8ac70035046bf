//! Rules that hold for all of the sources.

use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// What reads the environment: of Rust's library, of the C library, of crates. `vars` is in the first.
const READERS: [&str; 6] = [
    "env::var",
    "getenv",
    "temp_dir()",
    "home_dir()",
    "static environ",
    "tempfile::",
];

fn reads_environment(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    READERS.iter().any(|reader| code.contains(reader))
}

#[test]
fn one_file_reads_the_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Two hand it to compiled programs as it is; the others are tests and measurements.
    let allowed = [
        "src/environment.rs",
        "src/executor/main_call.rs",
        "src/image/lifecycle.rs",
        "src/cache/scale.rs",
        "src/cache/replay.rs",
    ];
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 100, "only {} files", files.len());
    let mut found = Vec::new();
    for file in files {
        let name = file
            .strip_prefix(root)
            .expect("a file below")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        if allowed.contains(&name.as_str()) || name.ends_with("tests.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&file).expect("a source");
        // Tests come last in a file.
        let code = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default();
        for (number, line) in (1..).zip(code.lines()) {
            if reads_environment(line) {
                found.push(format!("{name}:{number}: {}", line.trim()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "use src/environment.rs, which set-user-ID programs can trust:\n{}",
        found.join("\n")
    );
}

#[test]
fn readers_are_recognised() {
    let check = |line, expect| assert_eq!(reads_environment(line), expect, "{line}");
    check("let path = std::env::var_os(\"PATH\");", true);
    check("for (name, value) in std::env::vars_os() {", true);
    check("unsafe { libc::getenv(name) }", true);
    check("std::env::temp_dir()", true);
    check("    static environ: *const *const c_char;", true);
    check("environment::variable(c\"PATH\")", false);
    check("// std::env::var is not used", false);
    check("std::env::args_os()", false);
}
