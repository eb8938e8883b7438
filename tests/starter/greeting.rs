//! The built program behind a Lambda Runtime API.

mod runtime_api;

use runtime_api::{Function, RuntimeApi};

#[test]
fn greets() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[("GREETING", "Good day")]);
    let event = include_str!("../events/first_visit.json");
    assert_eq!(api.invoke(event).unwrap()["body"], "Good day");
}
