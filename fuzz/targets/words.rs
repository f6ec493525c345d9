//! libFuzzer around the target `words`.
#![no_main]

#[path = "../../tests/fuzz/words.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
