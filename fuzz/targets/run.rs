//! `cargo +nightly fuzz run run`: what is said on the connection of a run, any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mgenjit::fuzz::run(bytes);
});
