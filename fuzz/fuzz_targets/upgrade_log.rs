#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::upgrade_log(data));
