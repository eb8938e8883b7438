//! Sends any bytes through the function as an event, as Lambda does, and checks the answer.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../it/support/invariants.rs"]
mod invariants;

fuzz_target!(|event: &[u8]| {
    invariants::check(event);
});
