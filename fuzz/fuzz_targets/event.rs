//! Any bytes as an event, down the path that Lambda's take: bytes, event, request, answer, bytes.
//!
//! `tests/mutated_events.rs` runs the same check over the same seeds on every toolchain.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde_json::Value;

#[path = "../../tests/invariants/mod.rs"]
mod invariants;

fuzz_target!(init: invariants::abort_on_unexpected_panics(), |event: &[u8]| {
    invariants::check(event);
});

// Bytes changed at random rarely leave an event behind. Three times in four, one text of an event is
// changed instead, or a header added, and the event stays one.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed % 4 != 0
        && let Ok(mut event) = serde_json::from_slice::<Value>(&data[..size])
    {
        if seed % 4 == 1 {
            add_header(&mut event, seed / 4);
        }
        if let Some(text) = nth_text(&mut event, seed / 4) {
            change(text);
        }
        if let Ok(event) = serde_json::to_vec(&event)
            && event.len() <= max_size
        {
            data[..event.len()].copy_from_slice(&event);
            return event.len();
        }
    }
    fuzzer_mutate(data, size, max_size)
});

/// The headers that the counter reads.
const HEADERS: &[&str] = &[
    "accept",
    "cookie",
    "host",
    "purpose",
    "sec-fetch-site",
    "sec-purpose",
    "x-forwarded-proto",
    "x-moz",
];

fn add_header(event: &mut Value, choice: u32) {
    let choice = choice as usize;
    let name = HEADERS[choice % HEADERS.len()];
    let field = ["headers", "multiValueHeaders", "cookies"][choice / HEADERS.len() % 3];
    match event.get_mut(field) {
        Some(Value::Object(headers)) => match headers.get_mut(name) {
            Some(Value::Array(lines)) => lines.push(Value::from("count=7")),
            _ if field == "headers" => drop(headers.insert(name.to_owned(), Value::from(""))),
            _ => drop(headers.insert(name.to_owned(), Value::from(vec!["", "count=7"]))),
        },
        Some(Value::Array(cookies)) => cookies.push(Value::from("count=7")),
        _ => {}
    }
}

/// The text that `choice` falls on when all of the event's are counted round and round.
fn nth_text(event: &mut Value, choice: u32) -> Option<&mut String> {
    fn collect<'a>(value: &'a mut Value, texts: &mut Vec<&'a mut String>) {
        match value {
            Value::String(text) => texts.push(text),
            Value::Array(values) => values.iter_mut().for_each(|value| collect(value, texts)),
            Value::Object(fields) => fields.values_mut().for_each(|value| collect(value, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut texts = Vec::new();
    collect(event, &mut texts);
    let index = (choice as usize).checked_rem(texts.len())?;
    Some(texts.swap_remove(index))
}

fn change(text: &mut String) {
    /// How much a text may grow at a time.
    const ROOM_BYTES: usize = 64;
    let mut bytes = std::mem::take(text).into_bytes();
    let size = bytes.len();
    bytes.resize(size + ROOM_BYTES, 0);
    let max_size = bytes.len();
    let size = fuzzer_mutate(&mut bytes, size, max_size);
    *text = String::from_utf8_lossy(&bytes[..size]).into_owned();
}
