//! The built program against a Runtime API that misbehaves.
//!
//! Each test says in its name what becomes of the program: either the next visit is right, or the
//! program ends with a message and a status other than 0, after which Lambda starts a new one.

mod runtime_api;

use std::time::{Duration, SystemTime};

use runtime_api::{Function, RuntimeApi};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

fn event() -> Value {
    serde_json::from_str(include_str!("../events/return_visit.json")).unwrap()
}

#[track_caller]
fn assert_counts(answer: &Value) {
    assert_eq!(answer["statusCode"], 200);
    assert!(
        answer["cookies"][0]
            .as_str()
            .unwrap()
            .starts_with("count=3;"),
        "{answer}"
    );
}

// Events

#[tokio::test]
async fn after_an_event_of_6_mb_the_next_visit_is_right() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let mut large = event();
    large["body"] = "x".repeat(6 * 1024 * 1024).into();
    assert_counts(&api.invoke(large.to_string()).await.answer());
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

#[tokio::test]
async fn with_headers_of_10_kb_the_visit_and_the_next_are_right() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let mut large = event();
    large["headers"]["referer"] = "x".repeat(10 * 1024).into();
    large["cookies"] = json!([format!("a={}", "x".repeat(10 * 1024)), "count=2"]);
    assert_counts(&api.invoke(large.to_string()).await.answer());
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

#[tokio::test]
async fn after_a_field_of_the_wrong_type_the_next_visit_is_right() {
    let api = RuntimeApi::start().await;
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
        api.invoke(event_of_no_kind.to_string()).await.error();
        assert_counts(&api.invoke(event().to_string()).await.answer());
    }
}

#[tokio::test]
async fn an_unknown_event_version_is_served_by_its_shape() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let mut unknown = event();
    unknown["version"] = "3.0".into();
    assert_counts(&api.invoke(unknown.to_string()).await.answer());
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

#[tokio::test]
async fn after_invalid_utf_8_the_next_visit_is_right() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let mut bytes = event().to_string().into_bytes();
    let at = bytes
        .windows(7)
        .position(|window| window == b"Mozilla")
        .unwrap();
    bytes[at] = 0xff;
    api.invoke(bytes).await.error();
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

#[tokio::test]
async fn with_a_deadline_in_the_past_the_visit_and_the_next_are_right() {
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    let past = SystemTime::now() - Duration::from_secs(3600);
    assert_counts(
        &api.invoke_with_deadline(event().to_string(), past)
            .await
            .answer(),
    );
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

// URLs that lambda_http panics on

#[tokio::test]
async fn a_url_that_is_none_is_a_400_with_a_short_log_and_the_next_visit_is_right() {
    let api = RuntimeApi::start().await;
    let function = Function::start(api.address(), &[]);
    let console_test = include_str!("../events/rest_api_console_test.json");
    let mut events = vec![serde_json::from_str(console_test).unwrap()];
    for (pointer, value) in [
        ("/rawQueryString", "q=\"quoted\"".to_owned()),
        ("/rawQueryString", "q=a b".to_owned()),
        ("/rawQueryString", "q".repeat(64 * 1024)),
        ("/headers/host", "no host".to_owned()),
        ("/headers/host", "example.org:port".to_owned()),
        ("/headers/host", "[::1".to_owned()),
        ("/headers/x-forwarded-proto", "h t t p".to_owned()),
        ("/rawPath", "/".to_owned() + &"x".repeat(64 * 1024)),
    ] {
        let mut event = event();
        *event.pointer_mut(pointer).unwrap() = value.into();
        events.push(event);
    }
    let refused = events.len();
    for malformed in events {
        let answer = api.invoke(malformed.to_string()).await.answer();
        assert_eq!(answer["statusCode"], 400, "{malformed}");
        let text = answer.to_string();
        assert!(!text.contains("panic") && !text.contains("Err"), "{text}");
        assert!(!text.contains("count="), "{text}");
        assert_counts(&api.invoke(event().to_string()).await.answer());
    }
    let log = function.log();
    let refusals = r#"{"level":"INFO","message":"bad request"}"#;
    assert_eq!(
        log.iter().filter(|line| *line == refusals).count(),
        refused,
        "{log:#?}"
    );
    assert!(log.iter().all(|line| line.len() < 80), "{log:#?}");
}

// The connection

/// Takes a request off a connection.
async fn read_request(connection: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let end_of_head = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end_of_head {
            let head = String::from_utf8_lossy(&request[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length = length.map_or(0, |length| length.parse().unwrap());
            if request.len() >= end + 4 + length {
                return String::from_utf8_lossy(&request).into_owned();
            }
        }
        if connection.read_buf(&mut request).await.unwrap() == 0 {
            return String::from_utf8_lossy(&request).into_owned();
        }
    }
}

fn next_response(event: &Value) -> String {
    let event = event.to_string();
    let deadline = SystemTime::now() + Duration::from_secs(3);
    let deadline = deadline
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         lambda-runtime-deadline-ms: {deadline}\r\n\
         lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-central-1:123456789012:function:counter\r\n\
         \r\n{event}",
        event.len(),
    )
}

fn is_next(request: &str) -> bool {
    request.starts_with("GET /2018-06-01/runtime/invocation/next ")
}

#[track_caller]
fn assert_ended_with_a_message(function: Function) {
    let (status, log) = function.ended();
    assert!(
        status.code().is_some_and(|code| code != 0),
        "{status}: {log:#?}"
    );
    let errors: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .filter(|line: &Value| line["level"] == "ERROR")
        .collect();
    let message = errors.last().expect("an error in the log")["message"]
        .as_str()
        .unwrap();
    assert!(!message.is_empty(), "{log:#?}");
}

#[tokio::test]
async fn when_the_runtime_api_refuses_connections_the_program_ends() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    assert_ended_with_a_message(Function::start(address, &[]));
}

#[tokio::test]
async fn started_again_after_two_seconds_of_refusal_the_visit_is_right() {
    let address = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let refused_until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < refused_until {
        assert_ended_with_a_message(Function::start(address, &[]));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let api = RuntimeApi::start().await;
    let _function = Function::start(api.address(), &[]);
    assert_counts(&api.invoke(event().to_string()).await.answer());
}

#[tokio::test]
async fn when_the_connection_closes_in_the_middle_of_an_event_the_program_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let function = Function::start(listener.local_addr().unwrap(), &[]);
    let (mut connection, _) = listener.accept().await.unwrap();
    assert!(is_next(&read_request(&mut connection).await));
    let response = next_response(&event());
    connection
        .write_all(&response.as_bytes()[..response.len() / 2])
        .await
        .unwrap();
    drop((connection, listener));
    assert_ended_with_a_message(function);
}

#[tokio::test]
async fn when_the_connection_closes_in_the_middle_of_an_answer_the_program_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let function = Function::start(listener.local_addr().unwrap(), &[]);
    let (mut connection, _) = listener.accept().await.unwrap();
    assert!(is_next(&read_request(&mut connection).await));
    connection
        .write_all(next_response(&event()).as_bytes())
        .await
        .unwrap();
    // The first bytes of the answer, and no more.
    assert_ne!(connection.read(&mut [0; 64]).await.unwrap(), 0);
    drop((connection, listener));
    assert_ended_with_a_message(function);
}

#[tokio::test]
async fn when_the_runtime_api_has_an_error_instead_of_an_event_the_program_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let function = Function::start(listener.local_addr().unwrap(), &[]);
    let (mut connection, _) = listener.accept().await.unwrap();
    assert!(is_next(&read_request(&mut connection).await));
    let response = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n";
    connection.write_all(response.as_bytes()).await.unwrap();
    assert_ended_with_a_message(function);
}

#[tokio::test]
async fn after_a_500_to_its_answer_the_next_visit_is_right() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let function = Function::start(listener.local_addr().unwrap(), &[]);
    let (mut connection, _) = listener.accept().await.unwrap();
    for status in ["500 Internal Server Error", "202 Accepted"] {
        assert!(is_next(&read_request(&mut connection).await));
        connection
            .write_all(next_response(&event()).as_bytes())
            .await
            .unwrap();
        let answer = read_request(&mut connection).await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("/response "), "{head}");
        assert_counts(&serde_json::from_str(body).unwrap());
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        connection.write_all(response.as_bytes()).await.unwrap();
    }
    function.wait_for_line(|line| line.contains("500"));
}

#[tokio::test]
async fn with_10_kb_of_headers_around_the_event_the_visit_is_right() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let _function = Function::start(listener.local_addr().unwrap(), &[]);
    let (mut connection, _) = listener.accept().await.unwrap();
    assert!(is_next(&read_request(&mut connection).await));
    let padding = format!("\r\nx-padding: {}\r\n\r\n", "x".repeat(10 * 1024));
    let response = next_response(&event()).replacen("\r\n\r\n", &padding, 1);
    connection.write_all(response.as_bytes()).await.unwrap();
    let answer = read_request(&mut connection).await;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_counts(&serde_json::from_str(body).unwrap());
}
