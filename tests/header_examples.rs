//! Each section of the header opens with an example, which compiles without a warning and runs.

mod support;

use std::path::Path;
use std::process::Command;

/// What the header says that the examples are given.
const GIVEN: &str = r#"
#include "mgenjit.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    const char *ir = "define i64 @add(i64 %a, i64 %b) {\n  %sum = add i64 %a, %b\n  ret i64 %sum\n}\n";
    mgenjit_executor *executor;
    mgenjit_module *module;
    if (mgenjit_executor_new(NULL, &executor, NULL) != MGENJIT_STATUS_OK
        || mgenjit_executor_compile(executor, "add.ll", ir, strlen(ir), &module, NULL) != MGENJIT_STATUS_OK)
        return 1;
    {
"#;

const END: &str = "    }
    mgenjit_module_free(module);
    mgenjit_executor_free(executor);
    return 0;
}
";

/// The title of each section, and the example in its opening comment.
fn examples(header: &str) -> Vec<(String, String)> {
    let (_, sections) = header
        .split_once("/* Handles. */")
        .expect("the sections come after the handles");
    sections
        .split("\n/*\n * ")
        .skip(1)
        .map(|section| {
            let comment = section.split(" */").next().unwrap_or_default();
            let title = comment.lines().next().unwrap_or_default().to_owned();
            let code = comment
                .lines()
                .filter_map(|line| line.strip_prefix(" *     "))
                .map(|line| format!("        {line}\n"))
                .collect();
            (title, code)
        })
        .collect()
}

fn run(title: &str, code: &str, folder: &Path, libraries: &Path) {
    let source = folder.join("example.c");
    let program = folder.join("example");
    std::fs::write(&source, format!("{GIVEN}{code}{END}")).expect("write the example");
    let output = Command::new("cc")
        .args([
            "-std=c99",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Werror",
            "-o",
        ])
        .args([&program, &source])
        .arg("-I")
        .arg(support::source("include"))
        .arg("-L")
        .arg(libraries)
        .arg("-lmgenjit")
        .output()
        .expect("cc runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{title}:\n{code}\n{errors}");
    let output = Command::new(&program)
        .current_dir(folder)
        .env("LD_LIBRARY_PATH", libraries)
        .env("MGENJIT_SERVER", env!("CARGO_BIN_EXE_mgenjit-server"))
        .env("MGENJIT_CACHE_DIR", folder.join("cache"))
        .env("XDG_RUNTIME_DIR", folder)
        .env_remove("MGENJIT_SERVER_MODE")
        .output()
        .expect("the example runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{title}: {}\n{code}\n{errors}",
        output.status
    );
}

#[test]
fn every_section_has_an_example_that_runs() {
    let header = std::fs::read_to_string(support::source("include/mgenjit.h")).expect("the header");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let libraries = support::library_folder(folder.path());
    let examples = examples(&header);
    assert!(examples.len() >= 18, "{} sections", examples.len());
    for (title, code) in examples {
        assert!(code.contains("mgenjit_"), "{title} has no example");
        run(&title, &code, folder.path(), &libraries);
    }
}
