//! `cargo +nightly fuzz run answers`: what a storage helper says, any bytes.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    mgenjit::fuzz::answers(bytes);
});
