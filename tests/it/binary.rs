//! The built program behind a Lambda Runtime API.

use std::{collections::HashMap, fs, process::Command};

use crate::support::runtime_api::{Function, RuntimeApi, body, counter};
use serde_json::{Value, json};

fn event(name: &str) -> Value {
    serde_json::from_slice(&fs::read(format!("events/{name}.json")).unwrap()).unwrap()
}

/// The first visit, or a later one with the cookie of the answer before it.
fn visit(previous: Option<&Value>) -> String {
    let mut event = event("first_visit");
    if let Some(answer) = previous {
        let set_cookie = answer["cookies"][0].as_str().unwrap();
        let (cookie, _) = set_cookie.split_once(';').unwrap();
        event["cookies"] = json!([cookie]);
    }
    event.to_string()
}

#[track_caller]
fn assert_count(answer: &Value, count: u64) {
    assert_eq!(answer["statusCode"], 200);
    let cookie = answer["cookies"][0].as_str().unwrap();
    assert!(cookie.starts_with(&format!("count={count};")), "{cookie}");
    let page = body(answer);
    assert!(page.contains(&format!("<b>{count}</b></h1>")), "{page}");
}

#[test]
fn counts_up_by_one_at_each_visit() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let mut answer = None;
    for count in 1..=100 {
        let next = api.invoke(visit(answer.as_ref())).unwrap();
        assert_count(&next, count);
        answer = Some(next);
    }
}

#[test]
fn reports_what_is_not_an_http_event_and_serves_the_next_visit() {
    let api = RuntimeApi::start();
    let _function = Function::start(api.address(), &[]);
    let wrong = |field: &str, value| {
        let mut event = event("return_visit");
        event[field] = value;
        event.to_string().into_bytes()
    };
    for event in [
        br#"{"Records":[{"eventSource":"aws:sqs","body":"count=7"}]}"#.to_vec(),
        b"null".to_vec(),
        b"{\"version\":\"2.0\",".to_vec(),
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        wrong("headers", json!(7)),
        wrong("cookies", json!("count=2")),
        wrong("rawPath", json!(["/"])),
        wrong("requestContext", json!(null)),
        wrong("isBase64Encoded", json!("no")),
    ] {
        let error = api.invoke(event).unwrap_err();
        assert!(error["errorMessage"].is_string(), "{error}");
        assert!(error["errorType"].is_string(), "{error}");
        assert_count(&api.invoke(visit(None)).unwrap(), 1);
    }
}

#[test]
fn counts_whatever_a_stranger_sends_with_the_visit_and_logs_no_error() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    for (field, name, value) in [
        ("headers", "x-scanner", json!("a\u{1}b")),
        ("headers", "a(b", json!("c")),
        ("headers", "referer", json!("x".repeat(10 * 1024))),
        (
            "cookies",
            "",
            json!([format!("a={}", "x".repeat(10 * 1024)), "count=2"]),
        ),
        ("rawQueryString", "", json!("q=\"a b\"")),
        ("version", "", json!("3.0")),
        ("body", "", json!("x".repeat(6 * 1024 * 1024))),
    ] {
        let mut event = event("return_visit");
        match name {
            "" => event[field] = value,
            _ => event[field][name] = value,
        }
        assert_count(&api.invoke(event.to_string()).unwrap(), 3);
    }
    let log = function.end();
    assert_eq!(log.len(), 8, "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("ERROR")), "{log:#?}");
}

/// The lines of a log, each without the time that it must begin with.
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
fn logs_a_short_json_line_for_what_the_owner_counts() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[]);
    for name in ["first_visit", "return_visit", "json_visit", "text_visit"] {
        api.invoke(event(name).to_string()).unwrap();
    }
    for name in ["favicon", "embedded_return_visit"] {
        api.invoke(event(name).to_string()).unwrap();
    }
    for name in ["reset", "forget", "prefetch"] {
        api.invoke(event(name).to_string()).unwrap();
    }
    assert_eq!(
        without_time(&function.end()),
        [
            r#""level":"INFO","message":"start"}"#,
            r#""level":"INFO","message":"visit","count":1,"form":"html"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"html"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"json"}"#,
            r#""level":"INFO","message":"visit","count":3,"form":"text"}"#,
            r#""level":"INFO","message":"reset"}"#,
            r#""level":"INFO","message":"forget"}"#,
            r#""level":"INFO","message":"prefetch"}"#,
        ]
    );
}

#[test]
fn logs_text_where_lambda_is_set_to_text() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_FORMAT", "Text")]);
    api.invoke(event("return_visit").to_string()).unwrap();
    assert_eq!(
        without_time(&function.end()),
        ["INFO start", r#"INFO visit count=3 form="html""#]
    );
}

#[test]
fn logs_from_the_level_that_lambda_is_set_to() {
    let all = [r#""start"}"#, r#""visit","count":3,"form":"html"}"#];
    for (level, expected) in [
        ("TRACE", &all[..]),
        ("DEBUG", &all),
        ("INFO", &all),
        ("not a level", &all),
        ("WARN", &[]),
        ("ERROR", &[]),
        ("FATAL", &[]),
    ] {
        let api = RuntimeApi::start();
        let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_LEVEL", level)]);
        api.invoke(event("return_visit").to_string()).unwrap();
        api.invoke(&b"{}"[..]).unwrap_err();
        let log = function.end();
        let (error, others) = log.split_last().unwrap();
        assert!(error.contains(r#""level":"ERROR""#), "{level}: {error}");
        let informs = |line| str::strip_prefix(line, r#""level":"INFO","message":"#);
        let others: Vec<_> = without_time(others).into_iter().map(informs).collect();
        let expected: Vec<_> = expected.iter().copied().map(Some).collect();
        assert_eq!(others, expected, "{level}");
    }
}

#[test]
fn never_logs_a_cookie_an_address_or_a_user_agent() {
    let api = RuntimeApi::start();
    let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_LEVEL", "TRACE")]);
    let mut event = event("return_visit");
    event["cookies"] = json!(["_ga=GA1.2", "count=<script>"]);
    event["rawQueryString"] = json!("quoted=\"a b\"");
    let visit = event.to_string();
    event["rawPath"] = json!("/favicon.ico");
    let sent = [visit, event.to_string()];
    for event in sent.clone() {
        api.invoke(event).unwrap();
    }
    let no_event = br#"{"headers":{"cookie":"_ga=1","user-agent":"Mozilla"},"ip":"203.0.113.7"}"#;
    api.invoke(&no_event[..]).unwrap_err();
    let log = function.end().join("\n");
    for secret in [
        "203.0.113",
        "Mozilla",
        "_ga",
        "<script>",
        "quoted",
        "favicon",
    ] {
        assert!(sent.concat().contains(secret), "nothing sent has {secret}");
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}

#[test]
fn keeps_the_cookie_as_long_as_it_is_told_to() {
    for (days, attribute) in [
        ("0", None),
        ("1", Some("; Max-Age=86400")),
        ("400", Some("; Max-Age=34560000")),
    ] {
        let api = RuntimeApi::start();
        let _function = Function::start(api.address(), &[("COUNT_COOKIE_MAX_AGE_DAYS", days)]);
        let answer = api.invoke(visit(None)).unwrap();
        let cookie = answer["cookies"][0].as_str().unwrap();
        assert_eq!(
            cookie.find("; Max-Age=").map(|at| &cookie[at..]),
            attribute,
            "{days} days"
        );
    }
}

#[test]
fn does_not_start_with_a_setting_that_it_refuses() {
    for (variable, value, expected) in [
        ("COUNT_COOKIE_MAX_AGE_DAYS", "", "400"),
        ("COUNT_COOKIE_MAX_AGE_DAYS", "401", "400"),
        ("COUNT_COOKIE_MAX_AGE_DAYS", "forever", "400"),
        ("COUNT_EMBED_ORIGINS", "*", "https://"),
        ("COUNT_EMBED_ORIGINS", "https://example.com/", "https://"),
    ] {
        let api = RuntimeApi::start();
        let (status, log) = Function::start(api.address(), &[(variable, value)]).ended();
        assert_eq!(status.code(), Some(1), "{variable}={value}");
        let [line] = &log[..] else {
            panic!("{variable}={value}: not one line: {log:#?}")
        };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        let message = line["message"].as_str().unwrap();
        for part in [variable, &format!("{value:?}"), expected] {
            assert!(message.contains(part), "no {part} in {message}");
        }
    }
}

#[test]
fn outside_lambda_it_says_how_to_see_the_page() {
    let nothing = HashMap::<&str, &str>::new();
    let mut program = Command::new(counter());
    let (status, log) = Function::spawn(&mut program, nothing).ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.join("\n").contains("make run"), "{log:#?}");
}
