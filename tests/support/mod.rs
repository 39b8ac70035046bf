//! What the tests of the public C API share: a folder laid out as an installation, C programs built against it
//! with what their directives ask for, and a way to run them that cannot hang.

// Every test crate that has this module uses a part of it.
#![allow(dead_code)]

pub mod directives;
pub mod fatal;
// It reads the registers of x86-64.
#[cfg(target_arch = "x86_64")]
pub mod faults;
pub mod machine;
pub mod processes;
pub mod run;
pub mod skips;
pub mod terminal;
pub mod tools;
pub mod wait;
pub mod workspace;

use std::path::{Path, PathBuf};

/// A path inside the repository.
pub fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The shared library that cargo built for this test: beside the test's own executable.
pub fn shared_library() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    let library = test.with_file_name("libmgenjit.so");
    assert!(
        library.is_file(),
        "cargo built no shared library beside {}",
        test.display()
    );
    library
}

/// Whether what `make` built can be installed: else the test is skipped. After an edit, `cargo test` alone builds the
/// library beside the tests, and leaves the one to install as it was.
pub fn is_made(test: &str) -> bool {
    let made = source("target/release/libmgenjit.so");
    let read = |path: &Path| std::fs::read(path).ok();
    let why = if !source("target/install/mgenjit.o").is_file() {
        "run make first"
    } else if read(&made) != read(&shared_library()) {
        "target/release/libmgenjit.so is not of these sources: run make first"
    } else {
        return true;
    };
    skips::skip(test, why);
    false
}

/// Makes a folder in which linkers and the loader find the shared library, by both of its names.
pub fn library_folder(folder: &Path) -> PathBuf {
    let libraries = folder.join("lib");
    std::fs::create_dir(&libraries).expect("a folder for the library");
    for name in ["libmgenjit.so", "libmgenjit.so.0"] {
        std::os::unix::fs::symlink(shared_library(), libraries.join(name)).expect("a link");
    }
    libraries
}
