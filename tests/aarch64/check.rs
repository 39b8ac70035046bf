//! Whether the library compiles for AArch64, which takes its standard library, and a C compiler for the crates that bring C.

use crate::support::{skips, source};
use std::path::Path;
use std::process::Command;

const TARGET: &str = "aarch64-unknown-linux-gnu";

#[test]
fn the_library_compiles() {
    let test = "aarch64: the_library_compiles";
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut folder = Command::new(rustc);
    folder.args(["--print", "target-libdir", "--target", TARGET]);
    let folder = folder.output().expect("rustc").stdout;
    let folder = String::from_utf8_lossy(&folder).trim().to_owned();
    if !Path::new(&folder).is_dir() {
        return skips::skip(test, "rustc has no standard library for it");
    }
    let compiler = Command::new("aarch64-linux-gnu-gcc")
        .arg("--version")
        .output();
    if compiler.is_err() {
        return skips::skip(test, "there is no aarch64-linux-gnu-gcc");
    }
    let output = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--offline", "--target", TARGET])
        .args(["--no-default-features", "--lib", "--bin", "mgenjit-helper"])
        .env("CARGO_TARGET_DIR", source("target/aarch64/check"))
        .env("MGENJIT_LLVM_VERSION", "22.1.8")
        .current_dir(source("."))
        .output()
        .expect("cargo");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.is_empty(), "{said}");
}
