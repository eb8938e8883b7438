//! The built program and what goes wrong around it: odd deliveries, and a Runtime API that fails.
//!
//! Each test says in its name what becomes of the program: either the next visit is right, or the
//! program ends with a message and a status other than 0, after which Lambda starts a new one.

use std::net::TcpListener;

use crate::support::runtime_api::{Fault, Function, RuntimeApi};
use serde_json::Value;

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
