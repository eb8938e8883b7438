//! The built program behind a Lambda Runtime API, which can also fail.

use std::thread;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    front_doors::sample,
    function::{Function, counter, request_id},
};

/// A browser that visits the page over and over.
struct Browser {
    event: Value,
    count: u64,
}

impl Browser {
    fn new() -> Self {
        Self { event: sample("first_visit"), count: 0 }
    }

    #[track_caller]
    fn visit(&mut self, function: &Function) {
        self.count += 1;
        let answer = Answer::read(&function.invoke(self.event.to_string()).unwrap());
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains(&format!("<b>{}</b></h1>", self.count)), "{}: {answer:?}", self.count);
        let pair = format!("count={}", self.count);
        assert_eq!(answer.set_cookie.unwrap().split(';').next(), Some(&*pair));
        self.event["cookies"] = json!([pair]);
    }
}

/// Returns what the program logs about these events.
fn log_of(variables: &[(&str, &str)], events: &[Value]) -> Vec<String> {
    let function = Function::start(variables);
    for event in events {
        function.invoke(event.to_string()).ok();
    }
    function.end()
}

#[test]
fn reports_an_event_that_is_not_http_names_the_request_and_serves_the_next_visit() {
    let function = Function::start(&[]);
    let mut browser = Browser::new();
    let events = [
        &b"{\"version\":\"2.0\","[..],
        b"",
        b"\xff\xfe",
        b"null",
        br#"{"Records":[{"eventSource":"aws:sqs","body":"count=7"}]}"#,
    ];
    for event in events {
        let error = function.invoke(event).unwrap_err();
        assert_eq!(error["errorType"], "NotAnHttpRequest");
        let message = error["errorMessage"].as_str().unwrap();
        for door in ["Function URL", "API Gateway", "Load Balancer", "Lattice"] {
            assert!(message.contains(door), "{message}");
        }
        browser.visit(&function);
    }
    let log = function.end();
    let mut log: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    log.retain(|line| line["level"] != "INFO");
    assert_eq!(log.len(), events.len());
    // A visit follows each event.
    for (at, line) in log.iter().enumerate() {
        assert_eq!(line["level"], "ERROR");
        assert!(line["message"].as_str().unwrap().contains("Lattice"), "{line}");
        assert_eq!(line["span"]["requestId"], request_id(2 * at + 1));
    }
}

#[test]
fn an_answer_that_lambda_refuses_is_logged_with_its_request_and_the_next_visit_counts() {
    let function = Function::start(&[]);
    function.refuse_next_answer();
    let mut browser = Browser::new();
    browser.visit(&function);
    browser.visit(&function);
    let log = function.end();
    assert!(log.iter().any(|line| line.contains("500") && line.contains(&request_id(1))), "{log:#?}");
}

/// The lines of a log without their timestamps, which each must have.
fn without_time(log: &[String]) -> Vec<&str> {
    let lines = log.iter().map(|line| {
        let (time, rest) = line.split_once('Z').expect("a time in UTC");
        let form = time.trim_start_matches("{\"timestamp\":\"").replace(|it: char| it.is_ascii_digit(), "0");
        assert_eq!(form, "0000-00-00T00:00:00.000000", "{line}");
        rest.trim_start_matches("\",").trim_start()
    });
    lines.collect()
}

#[test]
fn logs_a_short_json_line_for_each_visit_of_a_person() {
    let many_headers: Value = (0..30_000).map(|number| (format!("x{number}"), json!(""))).collect();
    let same_site = json!({ "headers": { "sec-fetch-site": "same-site" } });
    let rows = [
        ("first_visit", json!({}), r#""visit","count":1,"form":"html""#),
        ("return_visit", json!({}), r#""visit","count":3,"form":"html""#),
        ("return_visit", json!({ "headers": many_headers }), r#""visit","count":3,"form":"html""#),
        ("return_visit", json!({ "body": "x".repeat(6 * 1024 * 1024) }), r#""visit","count":3,"form":"html""#),
        ("json_visit", json!({}), r#""visit","count":3,"form":"json""#),
        ("text_visit", json!({}), r#""visit","count":3,"form":"text""#),
        ("embedded_return_visit", json!({}), r#""visit","count":3,"form":"text","embedded":true"#),
        ("embedded_return_visit", same_site, r#""visit","count":3,"form":"text","embedded":true"#),
        // Not logged
        ("favicon", json!({}), ""),
        ("reset", json!({}), ""),
        ("forget", json!({}), ""),
        ("prefetch", json!({}), ""),
        ("first_visit", json!({ "requestContext": { "http": { "method": "HEAD" } } }), ""),
        ("first_visit", json!({ "headers": { "user-agent": "ELB-HealthChecker/2.0" } }), ""),
        ("embedded_return_visit", json!({ "headers": { "user-agent": "Googlebot/2.1" } }), ""),
        ("embedded_return_visit", json!({ "headers": { "origin": "https://example.net" } }), ""), // not listed
    ];
    let events = rows.each_ref().map(|(name, change, _)| {
        let mut event = sample(name);
        json_patch::merge(&mut event, change);
        event
    });
    let log = log_of(&[("COUNT_EMBED_ORIGINS", "https://blog.example.com")], &events);
    let expected =
        ["\"start\""].into_iter().chain(rows.iter().map(|(_, _, line)| *line).filter(|line| !line.is_empty()));
    let expected = expected.map(|line| format!(r#""level":"INFO","message":{line}}}"#));
    assert_eq!(without_time(&log), expected.collect::<Vec<_>>());
}

#[test]
fn logs_in_the_format_and_at_the_level_that_lambda_sets() {
    let events = [sample("return_visit"), json!({})];
    for (level, lines) in [("TRACE", 3), ("INFO", 3), ("", 3), ("no level", 3), ("WARN", 1), ("ERROR", 1), ("FATAL", 1)]
    {
        let log = log_of(&[("AWS_LAMBDA_LOG_LEVEL", level)], &events);
        let log = without_time(&log);
        let levels: Vec<_> = log.iter().map(|line| line.split(',').next().unwrap()).collect();
        let expected = [r#""level":"INFO""#, r#""level":"INFO""#, r#""level":"ERROR""#];
        assert_eq!(levels, expected[3 - lines..], "{level}");
    }
    let text = log_of(&[("AWS_LAMBDA_LOG_FORMAT", "Text")], &events);
    let text = without_time(&text);
    assert_eq!(text[..2], ["INFO start", r#"INFO visit count=3 form="html""#]);
    assert!(text[2].starts_with("ERROR"), "{text:#?}");
}

#[test]
fn never_logs_a_cookie_an_address_or_a_user_agent() {
    let mut visit = sample("return_visit");
    visit["cookies"] = json!(["_ga=GA1.2", "count=<script>"]);
    visit["rawQueryString"] = json!("quoted=\"a b\"");
    let mut other_path = visit.clone();
    other_path["rawPath"] = json!("/favicon.ico");
    let no_event = json!({ "headers": { "cookie": "_ga=1", "user-agent": "Mozilla" } });
    let sent = [visit, other_path, no_event];
    let log = log_of(&[("AWS_LAMBDA_LOG_LEVEL", "TRACE")], &sent).join("\n");
    for secret in ["203.0.113", "Mozilla", "_ga", "<script>", "quoted", "favicon"] {
        assert!(json!(sent).to_string().contains(secret), "{secret}");
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

#[test]
fn a_program_that_cannot_start_says_why() {
    for (variable, why) in [
        ("COUNT_COOKIE_MAX_AGE_DAYS=", "COUNT_COOKIE_MAX_AGE_DAYS=\"\" is not a whole number of days"),
        ("COUNT_COOKIE_MAX_AGE_DAYS=401", "COUNT_COOKIE_MAX_AGE_DAYS=\"401\" is not a whole number of days"),
        ("COUNT_COOKIE_MAX_AGE_DAYS=forever", "COUNT_COOKIE_MAX_AGE_DAYS=\"forever\" is not a whole number of days"),
        ("-uAWS_LAMBDA_RUNTIME_API", "this program runs on AWS Lambda; to see the page here, run `make run`"),
        ("AWS_LAMBDA_RUNTIME_API=127.0.0.1:9", "client error (Connect)"), // nobody listens
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE=much", "panicked at "),         // in lambda_runtime
    ] {
        let (status, log) = Function::spawn(&["env", variable, &counter()], &[]).ended();
        assert!(matches!(status.code(), Some(1..)), "{variable}: {status}: {log:#?}");
        let last = log.last().expect("a line in the log");
        let last: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("not JSON: {last}"));
        assert_eq!(last["level"], "ERROR");
        assert!(last["message"].as_str().unwrap().starts_with(why), "{variable}: {last}");
    }
}

#[test]
fn starts_without_an_invalid_origin_and_names_it() {
    let origins = "https://blog.example.com https://other.example:99999, *";
    let log = log_of(&[("COUNT_EMBED_ORIGINS", origins)], &[sample("embedded_return_visit")]);
    let log: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    for (line, entry) in log.iter().zip(["\"https://other.example:99999\"", "\"*\""]) {
        let message = line["message"].as_str().unwrap();
        assert_eq!(line["level"], "WARN");
        assert!(message.contains("COUNT_EMBED_ORIGINS") && message.contains(entry), "{line}");
    }
    assert_eq!(log.len(), 4);
    assert_eq!((&log[2]["message"], &log[3]["embedded"]), (&json!("start"), &json!(true)));
}

/// After this many visits, the program has allocated all the memory that it keeps.
const WARM_UP: u64 = 5_000;
const VISITS: u64 = 15_000;

fn load(browsers: u64, variables: &[(&str, &str)]) {
    let function = Function::start(variables);
    let mut crowd: Vec<_> = (0..browsers).map(|_| Browser::new()).collect();
    let resident = [WARM_UP, VISITS - WARM_UP].map(|visits| {
        let visit = |browser: &mut Browser| (0..visits.div_ceil(browsers)).for_each(|_| browser.visit(&function));
        thread::scope(|scope| {
            for browser in &mut crowd {
                scope.spawn(|| visit(browser));
            }
        });
        function.memory_kib("VmRSS")
    });
    println!("resident memory after {WARM_UP} visits and at the end: {resident:?} KiB");

    let log = function.end();
    let count = |line: &String| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "visit", "{line}");
        line["count"].as_u64().unwrap()
    };
    let mut counts: Vec<_> = log[1..].iter().map(count).collect();
    let mut expected: Vec<_> = crowd.iter().flat_map(|it| 1..=it.count).collect();
    counts.sort_unstable();
    expected.sort_unstable();
    assert!(counts == expected, "the log must have one line for each visit");

    assert!(resident[1] < 5 * 1024, "uses more than 5 MB");
    assert!(resident[1] * 10 <= resident[0] * 11, "memory grew by more than a tenth");
}

#[test]
#[ignore = "needs a release build: make test runs it"]
fn every_visit_counts_and_logs_one_line_and_memory_does_not_grow() {
    load(1, &[]);
    load(16, &[("AWS_LAMBDA_MAX_CONCURRENCY", "16")]);
}
