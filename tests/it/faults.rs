//! The built program and what goes wrong around it: odd events, odd deliveries, a Runtime API that fails.
//!
//! Each test says in its name what becomes of the program: either the next visit is right, or the
//! program ends with a message and a status other than 0, after which Lambda starts a new one.

use std::net::TcpListener;

use crate::support::runtime_api::{Fault, Function, RuntimeApi};
use serde_json::{Value, json};

fn event() -> Value {
    serde_json::from_str(include_str!("../../events/return_visit.json")).unwrap()
}

#[track_caller]
fn assert_counts(answer: &Value) {
    assert_eq!(answer["statusCode"], 200);
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with("count=3;"), "{cookie}");
}

#[track_caller]
fn assert_next_visit_is_right(api: &RuntimeApi) {
    assert_counts(&api.invoke(event().to_string()).unwrap());
}

#[track_caller]
fn assert_ends_with_a_message(function: Function) {
    let (status, log) = function.ended();
    assert!(matches!(status.code(), Some(1..)), "{status}: {log:#?}");
    let last = log.last().expect("a line in the log");
    let last: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("not JSON: {last}"));
    assert_eq!(last["level"], "ERROR");
    assert_ne!(last["message"].as_str().unwrap(), "");
}

// Events

#[test]
fn after_an_event_of_6_mb_the_next_visit_is_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let mut large = event();
    large["body"] = "x".repeat(6 * 1024 * 1024).into();
    assert_counts(&api.invoke(large.to_string()).unwrap());
    assert_next_visit_is_right(&api);
}

#[test]
fn with_headers_of_10_kb_the_visit_and_the_next_are_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let mut large = event();
    large["headers"]["referer"] = "x".repeat(10 * 1024).into();
    large["cookies"] = json!([format!("a={}", "x".repeat(10 * 1024)), "count=2"]);
    assert_counts(&api.invoke(large.to_string()).unwrap());
    assert_next_visit_is_right(&api);
}

#[test]
fn after_a_field_of_the_wrong_type_the_next_visit_is_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    for (field, wrong) in [
        ("headers", json!(7)),
        ("cookies", json!("count=2")),
        ("rawPath", json!(["/"])),
        ("requestContext", json!(null)),
        ("isBase64Encoded", json!("no")),
    ] {
        let mut event_of_no_kind = event();
        event_of_no_kind[field] = wrong;
        api.invoke(event_of_no_kind.to_string()).unwrap_err();
        assert_next_visit_is_right(&api);
    }
}

#[test]
fn an_unknown_event_version_is_served_by_its_shape() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let mut unknown = event();
    unknown["version"] = "3.0".into();
    assert_counts(&api.invoke(unknown.to_string()).unwrap());
}

#[test]
fn after_invalid_utf_8_the_next_visit_is_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let mut bytes = event().to_string().into_bytes();
    let agent = bytes.windows(7).position(|window| window == b"Mozilla");
    bytes[agent.unwrap()] = 0xff;
    api.invoke(bytes).unwrap_err();
    assert_next_visit_is_right(&api);
}

#[test]
fn a_visit_counts_whatever_stands_where_its_url_should_be() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    for (pointer, value) in [
        ("/rawQueryString", "q=\"quoted\""),
        ("/rawQueryString", "q=a b"),
        ("/rawQueryString", &"q".repeat(64 * 1024)),
        ("/headers/host", "no host"),
        ("/headers/host", "example.org:port"),
        ("/headers/host", "[::1"),
        ("/headers/x-forwarded-proto", "h t t p"),
    ] {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value.into();
        assert_counts(&api.invoke(event.to_string()).unwrap());
    }
}

// Deliveries

#[test]
fn with_a_deadline_in_the_past_the_visit_and_the_next_are_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    assert_counts(&api.invoke_with(Fault::Late, event().to_string()).unwrap());
    assert_next_visit_is_right(&api);
}

#[test]
fn with_10_kb_of_headers_around_the_event_the_visit_and_the_next_are_right() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let answer = api.invoke_with(Fault::LongHeaders, event().to_string());
    assert_counts(&answer.unwrap());
    assert_next_visit_is_right(&api);
}

#[test]
fn after_a_500_to_its_answer_the_next_visit_is_right() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let answer = api.invoke_with(Fault::AnswerRefused, event().to_string());
    assert_counts(&answer.unwrap());
    assert_next_visit_is_right(&api);
    let log = function.end();
    assert!(log.iter().any(|line| line.contains("500")), "{log:#?}");
}

#[test]
fn when_the_connection_closes_in_the_middle_of_an_answer_the_program_ends() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let _event = api.deliver(Fault::HalfAnAnswer, event().to_string());
    assert_ends_with_a_message(function);
}

#[test]
fn when_the_connection_closes_in_the_middle_of_an_event_the_program_ends() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let _event = api.deliver(Fault::HalfAnEvent, event().to_string());
    assert_ends_with_a_message(function);
}

#[test]
fn when_the_runtime_api_has_an_error_instead_of_an_event_the_program_ends() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let _event = api.deliver(Fault::NoEvent, event().to_string());
    assert_ends_with_a_message(function);
}

#[test]
fn when_the_runtime_api_refuses_connections_the_program_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    assert_ends_with_a_message(Function::start(address, &[]));
}
