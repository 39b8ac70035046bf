//! What the library and the server must agree on: LLVM's version and a digest of what makes the code.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rustc-env=MGENJIT_LLVM_VERSION={}", llvm_version());
    println!("cargo:rustc-env=MGENJIT_BUILD_ID={}", build_id());

    let soname = format!("libmgenjit.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{soname}");
    // Rust's thread-local destructors make unloading unsafe (rust-lang/rust#91979).
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}

/// Asks `llvm-config`, which the server's build needs anyway. A library that is built alone, on a machine
/// without LLVM, takes the version from the environment.
fn llvm_version() -> String {
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    println!("cargo:rerun-if-env-changed=MGENJIT_LLVM_VERSION");
    if let Ok(version) = std::env::var("MGENJIT_LLVM_VERSION") {
        return version;
    }
    let prefix = std::env::var_os("LLVM_SYS_221_PREFIX").map(PathBuf::from);
    let candidates = prefix
        .iter()
        .map(|prefix| prefix.join("bin/llvm-config"))
        .chain([PathBuf::from("llvm-config-22")]);
    for candidate in candidates {
        if let Ok(output) = Command::new(&candidate).arg("--version").output()
            && output.status.success()
        {
            return String::from_utf8_lossy(&output.stdout).trim().to_owned();
        }
    }
    panic!(
        "no llvm-config of LLVM 22 was found: run `make setup`, set LLVM_SYS_221_PREFIX to where LLVM 22 is \
         installed, or, to build the library alone, set MGENJIT_LLVM_VERSION to the version of the server's LLVM"
    );
}

/// A digest (FNV-1a, 64 bits: it tells builds apart, it protects nothing) of the sources that decide what
/// code comes out.
fn build_id() -> String {
    let mut files = vec![
        PathBuf::from("Cargo.lock"),
        PathBuf::from("src/signature.rs"),
    ];
    for folder in ["src/bin/mgenjit-server", "src/compile"] {
        println!("cargo:rerun-if-changed={folder}");
        list(Path::new(folder), &mut files);
    }
    files.sort();
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        println!("cargo:rerun-if-changed={}", file.display());
        for byte in std::fs::read(&file).unwrap_or_default() {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
    format!("{digest:016x}")
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            list(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
