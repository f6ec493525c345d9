//! libFuzzer around the target `app_yaml`.
#![no_main]

#[path = "../../tests/fuzz/app_yaml.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::check(data));
