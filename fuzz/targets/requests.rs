//! `cargo +nightly fuzz run requests`: what a client says to a server, any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mgenjit::fuzz::requests(bytes);
});
