//! The built program behind a Lambda Runtime API.

mod runtime_api;

use std::{fs, path::Path};

use runtime_api::{Function, RuntimeApi};
use serde_json::{Value, json};

fn event(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("events")
        .join(name);
    serde_json::from_str(&fs::read_to_string(path.with_extension("json")).unwrap()).unwrap()
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
    let page = answer["body"].as_str().unwrap();
    assert!(page.contains(&format!("<b>{count}</b></h1>")), "{page}");
}

#[tokio::test]
async fn counts_up_by_one_at_each_visit() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let mut answer = None;
    for count in 1..=100 {
        let next = api.invoke(visit(answer.as_ref())).await.answer();
        assert_count(&next, count);
        answer = Some(next);
    }
}

#[tokio::test]
async fn reports_what_is_no_http_event_and_serves_the_next_visit() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    for event in [
        &br#"{"Records":[{"eventSource":"aws:sqs","body":"count=7"}]}"#[..],
        b"{}",
        b"null",
        b"{\"version\":\"2.0\",",
        b"not JSON at all",
        b"",
        b"\xff\xfe",
    ] {
        let error = api.invoke(event).await.error();
        assert!(error["errorMessage"].is_string(), "{error}");
        assert!(error["errorType"].is_string(), "{error}");
        assert_count(&api.invoke(visit(None)).await.answer(), 1);
    }
}

#[tokio::test]
async fn an_invocation_error_names_what_was_expected() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let error = api.invoke(&b"{}"[..]).await.error();
    let message = error["errorMessage"].as_str().unwrap();
    for name in ["API Gateway", "Elastic Load Balancing", "Function URLs"] {
        let name = name.replace("Balancing", "Balancer");
        assert!(message.contains(&name), "{message}");
    }
}

#[tokio::test]
async fn logs_a_short_json_line_for_what_the_owner_counts() {
    let api = RuntimeApi::start().await;
    let function = Function::start(api.address(), &[]);
    for name in ["first_visit", "return_visit", "json_visit", "text_visit"] {
        api.invoke(event(name).to_string()).await.answer();
    }
    // None of these is a line, but for the reset and the prefetches.
    for name in [
        "head",
        "favicon",
        "post",
        "cross_site_reset",
        "reset",
        "prefetch",
        "prerender",
    ] {
        api.invoke(event(name).to_string()).await.answer();
    }
    api.invoke(event("raw_quote_in_query").to_string())
        .await
        .answer();
    function.wait_for_line(|line| line.contains("bad request"));
    assert_eq!(
        function.log(),
        [
            r#"{"level":"INFO","message":"visit","count":1,"form":"html","cold":true}"#,
            r#"{"level":"INFO","message":"visit","count":3,"form":"html"}"#,
            r#"{"level":"INFO","message":"visit","count":3,"form":"json"}"#,
            r#"{"level":"INFO","message":"visit","count":3,"form":"text"}"#,
            r#"{"level":"INFO","message":"reset"}"#,
            r#"{"level":"INFO","message":"prefetch"}"#,
            r#"{"level":"INFO","message":"prefetch"}"#,
            r#"{"level":"INFO","message":"bad request"}"#,
        ]
    );
}

#[tokio::test]
async fn logs_text_where_lambda_is_set_to_text() {
    let api = RuntimeApi::start().await;
    let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_FORMAT", "Text")]);
    api.invoke(event("return_visit").to_string()).await.answer();
    let line = function.wait_for_line(|line| line.contains("visit"));
    assert_eq!(line, "INFO visit count=3 form=html cold=true");
}

#[tokio::test]
async fn logs_from_the_level_that_lambda_is_set_to() {
    for (level, is_logged) in [
        ("TRACE", true),
        ("DEBUG", true),
        ("INFO", true),
        ("WARN", false),
        ("FATAL", false),
    ] {
        let api = RuntimeApi::start().await;
        let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_LEVEL", level)]);
        api.invoke(event("return_visit").to_string()).await.answer();
        api.invoke(&b"{}"[..]).await.error();
        function.wait_for_line(|line| line.contains("\"level\":\"ERROR\""));
        let log = function.log();
        let visits = log.iter().filter(|line| line.contains("visit")).count();
        assert_eq!(visits, usize::from(is_logged), "{level}: {log:#?}");
    }
}

#[tokio::test]
async fn never_logs_a_cookie_an_address_or_a_user_agent() {
    let api = RuntimeApi::start().await;
    let function = Function::start(api.address(), &[("AWS_LAMBDA_LOG_LEVEL", "TRACE")]);
    for name in [
        "neighbour_cookies",
        "malformed_count",
        "raw_quote_in_query",
        "favicon",
    ] {
        api.invoke(event(name).to_string()).await.answer();
    }
    api.invoke(&br#"{"headers":{"cookie":"_ga=1","user-agent":"Mozilla"},"ip":"203.0.113.7"}"#[..])
        .await
        .error();
    function.wait_for_line(|line| line.contains("ERROR"));
    let log = function.log().join("\n");
    for secret in [
        "203.0.113",
        "Mozilla",
        "_ga",
        "theme",
        "<script>",
        "quoted",
        "favicon",
    ] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
}

#[tokio::test]
async fn an_error_in_the_log_carries_its_time_for_lambda_to_keep_its_level() {
    let api = RuntimeApi::start().await;
    let function = Function::start(api.address(), &[]);
    api.invoke(&b"{}"[..]).await.error();
    let line = function.wait_for_line(|line| line.contains("ERROR"));
    let line: Value = serde_json::from_str(&line).unwrap();
    let time = line["timestamp"].as_str().unwrap();
    assert!(time.contains('T') && time.ends_with('Z'), "{time}");
}

#[tokio::test]
async fn keeps_the_cookie_as_long_as_it_is_told_to() {
    for (days, attribute) in [
        ("0", None),
        ("1", Some("; Max-Age=86400")),
        ("400", Some("; Max-Age=34560000")),
    ] {
        let api = RuntimeApi::start().await;
        let _function = Function::start(api.address(), &[("COUNT_COOKIE_MAX_AGE_DAYS", days)]);
        let answer = api.invoke(visit(None)).await.answer();
        let cookie = answer["cookies"][0].as_str().unwrap();
        assert_eq!(
            cookie.find("; Max-Age=").map(|at| &cookie[at..]),
            attribute,
            "{days} days"
        );
    }
}

#[tokio::test]
async fn does_not_start_with_a_lifetime_that_is_not_admitted() {
    for days in ["", "401", "-1", "forever"] {
        let api = RuntimeApi::start().await;
        let function = Function::start(api.address(), &[("COUNT_COOKIE_MAX_AGE_DAYS", days)]);
        let (status, log) = function.ended();
        assert_eq!(status.code(), Some(1), "{days:?}");
        let [line] = &log[..] else {
            panic!("{days:?}: not one line: {log:#?}")
        };
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert_eq!(
            line["message"],
            format!(
                "COUNT_COOKIE_MAX_AGE_DAYS={days:?} is not a whole number of days \
                 from 0 (a session cookie) to 400"
            )
        );
    }
}

#[test]
fn outside_lambda_it_says_how_to_see_the_page() {
    let (status, log) = Function::start_program(&runtime_api::counter(), &[]).ended();
    assert_eq!(status.code(), Some(1));
    assert!(log.join("\n").contains("make run"), "{log:#?}");
}
