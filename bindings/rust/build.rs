//! Finds libmgenjit: in the folder `MGENJIT_LIB_DIR`, or else by `pkg-config`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=MGENJIT_LIB_DIR");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    let folder = std::env::var("MGENJIT_LIB_DIR")
        .ok()
        .or_else(installed)
        .unwrap_or_else(|| {
            panic!(
                "libmgenjit was not found: install it and set PKG_CONFIG_PATH to the folder of its mgenjit.pc, \
                 or set MGENJIT_LIB_DIR to the folder of libmgenjit.so"
            )
        });
    println!("cargo::rustc-link-search=native={folder}");
    println!("cargo::rustc-link-lib=dylib=mgenjit");
    // For the tests and examples here. A program that uses the crate needs its own, unless the system finds the library.
    println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
}

fn installed() -> Option<String> {
    let output = Command::new("pkg-config")
        .args(["--variable=libdir", "mgenjit"])
        .output()
        .ok()?;
    let folder = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !folder.is_empty()).then_some(folder)
}
