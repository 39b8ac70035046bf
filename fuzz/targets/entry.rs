//! `cargo +nightly fuzz run entry`: an entry or alias file of any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mgenjit::fuzz::entry(bytes));
