//! Many visits through the built program, each of them checked.

mod runtime_api;

use std::{env, sync::Arc};

use runtime_api::{Function, RuntimeApi};
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
        let event = serde_json::from_str(include_str!("../events/first_visit.json")).unwrap();
        Self { event, count: 0 }
    }

    async fn visit(&mut self, api: &RuntimeApi) {
        let answer = api.invoke(self.event.to_string()).await.answer();
        self.count += 1;
        assert_eq!(answer["statusCode"], 200);
        let cookies = answer["cookies"].as_array().unwrap();
        let [cookie] = &cookies[..] else {
            panic!("not one cookie: {cookies:?}")
        };
        let (cookie, _) = cookie.as_str().unwrap().split_once(';').unwrap();
        assert_eq!(cookie, format!("count={}", self.count));
        let number = format!("<b>{}</b></h1>", self.count);
        assert!(
            answer["body"].as_str().unwrap().contains(&number),
            "visit {}",
            self.count
        );
        self.event["cookies"] = json!([cookie]);
    }
}

async fn load(browsers: u64, variables: &[(&str, &str)]) {
    let api = Arc::new(RuntimeApi::start().await);
    let function = Function::start(api.address(), variables);
    let mut crowd: Vec<_> = (0..browsers).map(|_| Browser::new()).collect();
    let mut visited = 0;
    let mut resident = Vec::new();
    for visits in [WARM_UP, visits().saturating_sub(WARM_UP)] {
        let each = visits.div_ceil(browsers);
        let mut tasks = Vec::new();
        for mut browser in crowd.drain(..) {
            let api = Arc::clone(&api);
            tasks.push(tokio::spawn(async move {
                for _ in 0..each {
                    browser.visit(&api).await;
                }
                browser
            }));
        }
        for task in tasks {
            crowd.push(task.await.unwrap());
        }
        visited += each * browsers;
        resident.push(function.resident_kib());
        println!("{visited} visits: {} KiB resident", function.resident_kib());
    }
    assert_eq!(
        crowd.iter().map(|browser| browser.count).sum::<u64>(),
        visited,
        "a visit is lost"
    );
    // A line for each visit, and nothing else.
    let last = format!(r#""count":{},"#, crowd[0].count);
    function.wait_for_line(|line| line.contains(&last));
    assert!(resident[1] < 6 * 1024, "more than 6 MB: {resident:?} KiB");
    assert!(
        resident[1] * 10 <= resident[0] * 11,
        "memory grew by more than a tenth: {resident:?} KiB"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a release build: make test runs it, and make load with a million visits"]
async fn one_after_another_every_visit_counts_and_memory_does_not_grow() {
    load(1, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a release build: make test runs it, and make load with a million visits"]
async fn sixteen_at_a_time_every_visit_counts_and_memory_does_not_grow() {
    load(16, &[("AWS_LAMBDA_MAX_CONCURRENCY", "16")]).await;
}
