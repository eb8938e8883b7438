//! The built program behind a Lambda Runtime API.

use std::process::{Command, Stdio};
use std::{future, sync::Arc, time::Duration};

use axum::routing::{get, post};
use axum::{Router, extract::Path, http::StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc};
use tokio::{net::TcpListener, time::timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_{{project_name}}");

/// Returns the outcome of each event, a `response` or an `error`, and the program's log.
async fn run<const N: usize>(events: [Value; N]) -> ([(String, Value); N], Vec<Value>) {
    let events = Arc::new(Mutex::new(events.into_iter()));
    let next = || async move {
        let Some(event) = events.lock().await.next() else {
            return future::pending().await;
        };
        let headers = [
            ("lambda-runtime-aws-request-id", "one"),
            ("lambda-runtime-deadline-ms", "4102444800000"), // the year 2100
        ];
        (headers, event.to_string())
    };
    let (finished, mut outcomes) = mpsc::unbounded_channel();
    let finish = |Path((_, outcome)): Path<(String, String)>, body: String| async move {
        let body = serde_json::from_str(&body).unwrap();
        finished.send((outcome, body)).unwrap();
        StatusCode::ACCEPTED
    };
    let invocations = Router::new()
        .route("/next", get(next))
        .route("/{id}/{outcome}", post(finish));
    let api = Router::new().nest("/2018-06-01/runtime/invocation", invocations);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async { axum::serve(listener, api).await });

    let mut program = Command::new(PROGRAM)
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .env("AWS_LAMBDA_FUNCTION_NAME", "function")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("GREETING", "Good day")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut made = Vec::new();
    while made.len() < N {
        let outcome = timeout(Duration::from_secs(10), outcomes.recv()).await;
        made.push(outcome.expect("the program answers").unwrap());
    }
    program.kill().unwrap();
    let log = program.wait_with_output().unwrap().stdout;
    (made.try_into().unwrap(), lines(&log))
}

fn lines(log: &[u8]) -> Vec<Value> {
    let json = |line| serde_json::from_str(line).expect("each line is JSON");
    str::from_utf8(log).unwrap().lines().map(json).collect()
}

fn event() -> Value {
    serde_json::from_str(include_str!("../events/greeting.json")).unwrap()
}

#[tokio::test]
async fn greets_and_logs_a_line() {
    let ([(outcome, answer)], log) = run([event()]).await;
    assert_eq!(outcome, "response");
    assert_eq!(answer["statusCode"], 200);
    assert_eq!(answer["body"], "Good day");
    assert_eq!(log.len(), 1, "{log:?}");
    assert_eq!(log[0]["message"], "request");
    assert_eq!(log[0]["status"], 200);
}

#[tokio::test]
async fn answers_the_next_request_after_a_bad_query() {
    let mut odd = event();
    odd["rawQueryString"] = json!("a=<b>");
    let (outcomes, _) = run([odd, event()]).await;
    assert_eq!(outcomes.map(|(outcome, _)| outcome), ["error", "response"]);
}

#[test]
fn does_not_start_with_a_blank_greeting() {
    let refused = Command::new(PROGRAM).env("GREETING", "").output();
    let refused = refused.unwrap();
    assert!(!refused.status.success());
    let message = lines(&refused.stdout)[0]["message"].to_string();
    assert!(message.contains("GREETING must be"), "{message}");
}
