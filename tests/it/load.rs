//! Many visits through the built program, each of them checked.

use std::{env, thread};

use crate::support::runtime_api::{Function, RuntimeApi, body};
use serde_json::{Value, json};

/// How many visits are made where `VISITS` does not say.
const VISITS: u64 = 25_000;

/// After so many the program has allocated what it keeps.
const WARM_UP: u64 = 10_000;

fn visits() -> u64 {
    env::var("VISITS").map_or(VISITS, |visits| visits.parse().expect("VISITS is a number"))
}

/// A browser that visits the page over and over, and its cookie.
struct Browser {
    event: Value,
    count: u64,
}

impl Browser {
    fn new() -> Self {
        let event = serde_json::from_str(include_str!("../../events/first_visit.json")).unwrap();
        Self { event, count: 0 }
    }

    fn visit(&mut self, api: &RuntimeApi) {
        let answer = api.invoke(self.event.to_string()).unwrap();
        self.count += 1;
        assert_eq!(answer["statusCode"], 200);
        let cookies = answer["cookies"].as_array().unwrap();
        let [cookie] = &cookies[..] else {
            panic!("not one cookie: {cookies:?}")
        };
        let (cookie, _) = cookie.as_str().unwrap().split_once(';').unwrap();
        assert_eq!(cookie, format!("count={}", self.count));
        let number = format!("<b>{}</b></h1>", self.count);
        assert!(body(&answer).contains(&number), "visit {}", self.count);
        self.event["cookies"] = json!([cookie]);
    }
}

fn load(browsers: u64, variables: &[(&str, &str)]) {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), variables);
    let mut crowd: Vec<_> = (0..browsers).map(|_| Browser::new()).collect();
    let mut resident = Vec::new();
    for visits in [WARM_UP, visits().saturating_sub(WARM_UP)] {
        thread::scope(|scope| {
            for browser in &mut crowd {
                scope.spawn(|| {
                    for _ in 0..visits.div_ceil(browsers) {
                        browser.visit(&api);
                    }
                });
            }
        });
        resident.push(function.memory_kib("VmRSS"));
    }
    println!("resident after {WARM_UP} visits and after all: {resident:?} KiB");

    let mut counted = Vec::new();
    let log = function.end();
    let (start, visits) = log.split_first().unwrap();
    assert!(start.contains(r#""message":"start""#), "{start}");
    for line in visits {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "visit", "{line}");
        counted.push(line["count"].as_u64().unwrap());
    }
    let mut expected: Vec<_> = crowd.iter().flat_map(|it| 1..=it.count).collect();
    counted.sort_unstable();
    expected.sort_unstable();
    assert!(counted == expected, "not one line for each visit");

    assert!(resident[1] < 6 * 1024, "more than 6 MB: {resident:?} KiB");
    assert!(
        resident[1] * 10 <= resident[0] * 11,
        "memory grew by more than a tenth: {resident:?} KiB"
    );
}

#[test]
#[ignore = "takes a release build: make test runs it, and make load with a million visits"]
fn one_after_another_every_visit_counts_and_logs_one_line_and_memory_does_not_grow() {
    load(1, &[]);
}

#[test]
#[ignore = "takes a release build: make test runs it, and make load with a million visits"]
fn sixteen_at_a_time_every_visit_counts_and_logs_one_line_and_memory_does_not_grow() {
    load(16, &[("AWS_LAMBDA_MAX_CONCURRENCY", "16")]);
}
