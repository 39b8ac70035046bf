//! `cargo +nightly fuzz run page`: the page by which a host and the process of its calls speak, any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mgenjit::fuzz::page(bytes);
});
