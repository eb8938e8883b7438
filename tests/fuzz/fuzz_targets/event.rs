//! Sends any bytes through the function as an event, as Lambda does, and checks the answer.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../it/answer.rs"]
mod answer;

fuzz_target!(|event: &[u8]| {
    for origins in ["", "https://blog.example.com"] {
        answer::Answer::to(event, origins);
    }
});
