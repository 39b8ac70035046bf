//! A host that was built with a sanitizer of gcc or clang: it compiles, hits, unloads, forks and throws as any other,
//! and the sanitizer finds nothing.

mod support;

use std::fs::File;
use std::io::Write;
use std::process::Command;
use support::workspace::{Run, Workspace};

/// Builds `tests/c/sanitized.cpp` so and runs it twice.
fn check(compiler: &str, sanitizer: &str) {
    let flag = format!("-fsanitize={sanitizer}");
    let flags = [flag.as_str(), "-fno-sanitize-recover=all"];
    if let Err(why) = try_sanitizer(compiler, &flags) {
        skip(&format!("{compiler} {flag}: {why}"));
        return;
    }
    let workspace = Workspace::new("sanitized.cpp");
    workspace.build_with(compiler, &flags);
    for run in [Run::Cold, Run::Warm] {
        let what = format!("{compiler} {flag}, {run:?}");
        workspace.run(run).expect_success(&what);
    }
}

/// Says that a test cannot be made here, and why: `make test` lists these at its end.
fn skip(what: &str) {
    println!("skipped: {what}");
    if let Some(file) = std::env::var_os("MGENJIT_TESTS_SKIPPED") {
        let mut file = File::options().append(true).open(file).expect("the list");
        writeln!(file, "{what}").expect("written");
    }
}

/// Whether a program that does nothing can be built so and runs: the runtime may be missing, or not be up to this
/// kernel's layout of memory.
fn try_sanitizer(compiler: &str, flags: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let [source, program] = ["empty.cpp", "empty"].map(|name| folder.path().join(name));
    std::fs::write(&source, "int main() { return 0; }\n").expect("a source");
    let mut build = Command::new(compiler);
    build.args(flags).arg(&source).arg("-o").arg(&program);
    for mut command in [build, Command::new(&program)] {
        let output = command.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(text.lines().take(3).collect::<Vec<_>>().join("; "));
        }
    }
    Ok(())
}

macro_rules! sanitizers {
    ($($name:ident: $compiler:literal $sanitizer:literal)*) => {
        $(
            #[test]
            fn $name() {
                check($compiler, $sanitizer);
            }
        )*
    };
}

sanitizers! {
    gcc_address: "g++" "address,undefined"
    gcc_thread: "g++" "thread"
    clang_address: "clang++-22" "address,undefined"
    clang_thread: "clang++-22" "thread"
}
