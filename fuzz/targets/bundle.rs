//! `cargo +nightly fuzz run bundle`: a bundle of any bytes, imported into a cache.

#![no_main]

use std::sync::OnceLock;
use tempfile::TempDir;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    mgenjit::fuzz::bundle(bytes, folder.path());
});
