//! What the tests of the public C API share: a folder laid out as an installation, C programs built against it
//! with what their directives ask for, and a way to run them that cannot hang.

// Every test crate that has this module uses a part of it.
#![allow(dead_code)]

pub mod directives;
pub mod faults;
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
