//! libFuzzer around the target `repository`.
#![no_main]

#[path = "../../tests/fuzz/repository.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
