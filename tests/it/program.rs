//! The built program behind a Lambda Runtime API, which can also fail.

use std::{env, fs, net::TcpListener, process::Command, thread};

use serde_json::{Value, json};

use crate::{
    front_doors::sample,
    support::runtime_api::{Fault, Function, RuntimeApi, body, counter, request_id},
};

/// A browser that visits the page over and over.
struct Browser {
    event: Value,
    count: u64,
}

impl Browser {
    fn new() -> Self {
        Self {
            event: sample("first_visit"),
            count: 0,
        }
    }

    #[track_caller]
    fn visit(&mut self, api: &RuntimeApi) {
        let answer = api.invoke(self.event.to_string()).unwrap();
        self.count += 1;
        assert_counts(&answer, self.count);
        let cookie = answer["cookies"][0].as_str().unwrap();
        self.event["cookies"] = json!([cookie.split_once(';').unwrap().0]);
    }
}

#[track_caller]
fn assert_counts(answer: &Value, count: u64) {
    assert_eq!(answer["statusCode"], 200);
    let cookies = answer["cookies"].as_array().unwrap();
    assert_eq!(cookies.len(), 1);
    let cookie = cookies[0].as_str().unwrap();
    assert!(cookie.starts_with(&format!("count={count};")), "{cookie}");
    let page = body(answer);
    assert!(page.contains(&format!("<b>{count}</b></h1>")), "{page}");
}

/// Returns what the program logs about these events.
fn log_of(variables: &[(&str, &str)], events: &[Value]) -> Vec<String> {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), variables);
    for event in events {
        api.invoke(event.to_string()).ok();
    }
    function.end()
}

// Events

#[test]
fn reports_an_event_that_is_not_http_names_the_request_and_serves_the_next_visit() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let mut browser = Browser::new();
    let events = [
        &b"{\"version\":\"2.0\","[..],
        b"",
        b"\xff\xfe",
        b"null",
        br#"{"Records":[{"eventSource":"aws:sqs","body":"count=7"}]}"#,
    ];
    for event in events {
        let error = api.invoke(event).unwrap_err();
        assert_eq!(error["errorType"], "NotAnHttpRequest");
        let message = error["errorMessage"].as_str().unwrap();
        for door in ["Function URL", "API Gateway", "Load Balancer", "Lattice"] {
            assert!(message.contains(door), "{message}");
        }
        browser.visit(&api);
    }
    let log = function.end();
    let log = log.iter().filter(|line| !line.contains("INFO"));
    let requests = log.map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!(
            line["message"].as_str().unwrap().contains("Lattice"),
            "{line}"
        );
        line["span"]["requestId"].as_str().unwrap().to_owned()
    });
    // A visit follows each event.
    let expected = (0..events.len()).map(|at| request_id(2 * at + 1));
    assert_eq!(requests.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[test]
fn counts_a_visit_however_much_a_stranger_sends_with_it_and_logs_no_error() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    let many = (0..30_000).map(|number| (format!("x{number}"), json!("")));
    let sent = [
        json!({ "headers": { "referer": "x".repeat(10 * 1024) } }),
        json!({ "headers": many.collect::<Value>() }),
        json!({ "cookies": [format!("a={}", "x".repeat(10 * 1024)), "count=2"] }),
        json!({ "body": "x".repeat(6 * 1024 * 1024) }),
    ];
    for difference in &sent {
        let mut event = sample("return_visit");
        json_patch::merge(&mut event, difference);
        assert_counts(&api.invoke(event.to_string()).unwrap(), 3);
    }
    let log = function.end();
    assert_eq!(log.len(), 1 + sent.len(), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:#?}");
}

// The log

/// The lines of a log without their timestamps, which each must have.
fn without_time(log: &[String]) -> Vec<&str> {
    let mut rest = Vec::new();
    for line in log {
        let (time, after) = line.split_once('Z').expect("a time in UTC");
        let time = time.trim_start_matches("{\"timestamp\":\"");
        let form = time.replace(|it: char| it.is_ascii_digit(), "0");
        assert_eq!(form, "0000-00-00T00:00:00.000000", "{line}");
        rest.push(after.trim_start_matches("\",").trim_start());
    }
    rest
}

#[test]
fn logs_a_short_json_line_for_each_event_that_a_metric_counts() {
    let events = [
        "first_visit",
        "return_visit",
        "json_visit",
        "text_visit",
        "favicon",
        "embedded_return_visit",
        "reset",
        "forget",
        "prefetch",
    ];
    let listed = [("COUNT_EMBED_ORIGINS", "https://blog.example.com")];
    assert_eq!(
        without_time(&log_of(&listed, &events.map(sample))),
        [
            r#""level":"INFO","message":"start"}"#,
            r#""level":"INFO","message":"visit","count":1,"form":"html"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"html"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"json"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"text"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"text","embedded":true}"#,
            r#""level":"INFO","message":"reset"}"#,
            r#""level":"INFO","message":"forget"}"#,
            r#""level":"INFO","message":"prefetch"}"#,
        ]
    );
}

#[test]
fn logs_in_the_format_and_at_the_level_that_lambda_sets() {
    let events = [sample("return_visit"), json!({})];
    for (variable, value, levels) in [
        (
            "AWS_LAMBDA_LOG_FORMAT",
            "Text",
            &["INFO", "INFO", "ERROR"][..],
        ),
        ("AWS_LAMBDA_LOG_LEVEL", "TRACE", &["INFO", "INFO", "ERROR"]),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO", &["INFO", "INFO", "ERROR"]),
        (
            "AWS_LAMBDA_LOG_LEVEL",
            "no level",
            &["INFO", "INFO", "ERROR"],
        ),
        ("AWS_LAMBDA_LOG_LEVEL", "WARN", &["ERROR"]),
        ("AWS_LAMBDA_LOG_LEVEL", "ERROR", &["ERROR"]),
        ("AWS_LAMBDA_LOG_LEVEL", "FATAL", &["ERROR"]),
    ] {
        let log = log_of(&[(variable, value)], &events);
        let lines = without_time(&log);
        assert_eq!(lines.len(), levels.len(), "{variable}={value}: {lines:#?}");
        for (line, level) in lines.iter().zip(levels) {
            let start = if value == "Text" { "" } else { "\"level\":\"" };
            assert!(line.starts_with(&format!("{start}{level}")), "{line}");
        }
    }
    let text = log_of(&[("AWS_LAMBDA_LOG_FORMAT", "Text")], &events);
    assert_eq!(without_time(&text)[1], r#"INFO visit count=3 form="html""#);
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
    for secret in [
        "203.0.113",
        "Mozilla",
        "_ga",
        "<script>",
        "quoted",
        "favicon",
    ] {
        assert!(json!(sent).to_string().contains(secret), "{secret}");
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}

// Settings

#[test]
fn sets_the_cookies_lifetime_from_its_setting() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[("COUNT_COOKIE_MAX_AGE_DAYS", "1")]);
    let answer = api.invoke(sample("first_visit").to_string()).unwrap();
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.ends_with("; Max-Age=86400"), "{cookie}");
}

#[test]
fn does_not_start_with_an_invalid_lifetime_and_says_why() {
    for value in ["", "401", "forever"] {
        let api = RuntimeApi::start();
        let function = Function::start(api.address(), &[("COUNT_COOKIE_MAX_AGE_DAYS", value)]);
        let message = assert_ends_with_a_message(function);
        let expected = format!("COUNT_COOKIE_MAX_AGE_DAYS={value:?} is not a whole number of days");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn starts_without_an_invalid_origin_and_names_it() {
    let origins = "https://blog.example.com https://other.example:99999, *";
    let variables = [("COUNT_EMBED_ORIGINS", origins)];
    let log = log_of(&variables, &[sample("embedded_return_visit")]);
    let log: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    for (line, entry) in log.iter().zip(["\"https://other.example:99999\"", "\"*\""]) {
        assert_eq!(line["level"], "WARN");
        let message = line["message"].as_str().unwrap();
        assert!(
            message.contains("COUNT_EMBED_ORIGINS") && message.contains(entry),
            "{message}"
        );
    }
    assert_eq!(log[2]["message"], "start");
    assert_eq!(
        (&log[3]["message"], &log[3]["embedded"]),
        (&json!("visit"), &json!(true))
    );
    assert_eq!(log.len(), 4);
}

#[test]
fn outside_lambda_it_says_how_to_see_the_page() {
    let function = Function::spawn(&mut Command::new(counter()), []);
    assert!(assert_ends_with_a_message(function).contains("make run"));
}

// A Runtime API that fails. If the program ends, Lambda starts another.

#[test]
fn after_a_faulty_delivery_the_next_visit_counts_correctly() {
    for fault in [Fault::Late, Fault::LongHeaders, Fault::AnswerRefused] {
        let api = RuntimeApi::start();
        let function = Function::start(api.address(), &[]);
        let event = sample("return_visit").to_string();
        assert_counts(&api.invoke_with(fault, event).unwrap(), 3);
        Browser::new().visit(&api);
        let log = function.end();
        let failures: Vec<_> = log.iter().filter(|line| line.contains("500")).collect();
        assert_eq!(
            !failures.is_empty(),
            fault == Fault::AnswerRefused,
            "{log:#?}"
        );
        let named = failures.iter().all(|line| line.contains(&request_id(1)));
        assert!(named, "{log:#?}");
    }
}

#[test]
fn when_the_runtime_api_breaks_off_the_program_ends_with_a_message() {
    for fault in [Fault::HalfAnAnswer, Fault::HalfAnEvent, Fault::NoEvent] {
        let api = RuntimeApi::start();
        let function = Function::start(api.address(), &[]);
        let _event = api.deliver(fault, sample("return_visit").to_string());
        assert_ends_with_a_message(function);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    assert_ends_with_a_message(Function::start(nobody, &[]));
}

/// Waits until the program ends with a failure, and returns its last message.
#[track_caller]
fn assert_ends_with_a_message(function: Function) -> String {
    let (status, log) = function.ended();
    assert!(matches!(status.code(), Some(1..)), "{status}: {log:#?}");
    let last = log.last().expect("a line in the log");
    let last: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("not JSON: {last}"));
    assert_eq!(last["level"], "ERROR");
    let message = last["message"].as_str().unwrap();
    assert_ne!(message, "");
    message.to_owned()
}

// A page in another language

#[test]
#[ignore = "builds the program again for each language: make test runs it"]
fn a_page_in_any_language_reaches_every_client() {
    for letter in ['ж', 'あ', '🍪'] {
        let folder = env::current_dir().unwrap().join("target/translated");
        let source = folder.join("src");
        fs::create_dir_all(&source).unwrap();
        for file in ["askama.toml", "build.rs", "Cargo.lock", "Cargo.toml"] {
            let text = fs::read_to_string(file).unwrap();
            // Another name, so that Cargo keeps the program itself.
            let text = text.replacen("name = \"page-visit-counter\"", "name = \"translated\"", 1);
            let is_manifest = file == "Cargo.toml";
            let library = if is_manifest {
                "[workspace]\n[lib]\nname = \"page_visit_counter\"\n"
            } else {
                ""
            };
            fs::write(folder.join(file), text + library).unwrap();
        }
        for file in fs::read_dir("src").unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), source.join(file.file_name())).unwrap();
        }
        let page = fs::read_to_string("src/page.html").unwrap();
        fs::write(source.join("page.html"), translated(&page, letter)).unwrap();
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--manifest-path"])
            .arg(folder.join("Cargo.toml"));
        assert!(
            build
                .env("CARGO_TARGET_DIR", "target")
                .status()
                .unwrap()
                .success()
        );

        let api = RuntimeApi::start();
        let variables = [("AWS_LAMBDA_RUNTIME_API", &*api.address().to_string())];
        let _function = Function::spawn(&mut Command::new("target/debug/translated"), variables);
        let answer = api.invoke(sample("return_visit").to_string()).unwrap();
        assert_counts(&answer, 3);
        let page = body(&answer);
        assert!(page.matches(letter).count() > 1_000, "{page}");
        let sent = answer["body"].as_str().unwrap().len();
        assert!(sent < page.len(), "not compressed");
    }
}

/// The page with this letter in place of each letter of its text.
fn translated(page: &str, letter: char) -> String {
    let (mut in_tag, mut in_code) = (false, false);
    let text = page.chars().map(|it| {
        in_tag = matches!(it, '<') || in_tag && it != '>';
        in_code = matches!(it, '{') || in_code && it != '}';
        if it.is_alphabetic() && !in_tag && !in_code {
            letter
        } else {
            it
        }
    });
    text.collect()
}

// Many visits

/// After this many visits, the program has allocated all the memory that it keeps.
const WARM_UP: u64 = 10_000;

fn load(browsers: u64, variables: &[(&str, &str)]) {
    let visits = env::var("VISITS").map_or(25_000, |it| it.parse().expect("VISITS is a number"));
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), variables);
    let mut crowd: Vec<_> = (0..browsers).map(|_| Browser::new()).collect();
    let resident = [WARM_UP, visits - WARM_UP].map(|visits: u64| {
        let api = &api;
        thread::scope(|scope| {
            for browser in &mut crowd {
                let visits = visits.div_ceil(browsers);
                scope.spawn(move || (0..visits).for_each(|_| browser.visit(api)));
            }
        });
        function.memory_kib("VmRSS")
    });
    println!("resident memory after {WARM_UP} visits and at the end: {resident:?} KiB");

    let log = function.end();
    let counts = log[1..].iter().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["message"], "visit", "{line}");
        line["count"].as_u64().unwrap()
    });
    let mut counts: Vec<_> = counts.collect();
    let mut expected: Vec<_> = crowd.iter().flat_map(|it| 1..=it.count).collect();
    counts.sort_unstable();
    expected.sort_unstable();
    assert!(
        counts == expected,
        "the log must have one line for each visit"
    );

    assert!(resident[1] < 6 * 1024, "uses more than 6 MB");
    let has_grown = resident[1] * 10 > resident[0] * 11;
    assert!(!has_grown, "memory grew by more than a tenth");
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
