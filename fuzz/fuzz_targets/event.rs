//! Any bytes as an event, down the path that Lambda's take: bytes, event, request, answer, bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/it/support/invariants.rs"]
mod invariants;

fuzz_target!(|event: &[u8]| {
    invariants::check(event);
});
