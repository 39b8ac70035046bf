//! One file reads the environment.

use crate::sources::sources;

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
    // Two hand it to compiled programs as it is; the others are tests and measurements.
    let allowed = [
        "src/environment.rs",
        "src/executor/main_call.rs",
        "src/image/run.rs",
        "src/cache/replay.rs",
    ];
    let mut found = Vec::new();
    for (name, text) in sources() {
        if allowed.contains(&name.as_str())
            || name.ends_with("tests.rs")
            || name.contains("/tests/")
        {
            continue;
        }
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
