//! `cargo +nightly fuzz run reply`: what a server says to a client, any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mgenjit::fuzz::reply(bytes);
});
