//! A Lambda Runtime API on loopback, and the function's program behind it.
//!
//! Implements the [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) for
//! tests that need what `lambda-simulator` does not offer: event bodies that are no JSON, and a
//! million events without keeping any.

#![allow(
    dead_code,
    reason = "each test that includes this module uses a part of it"
)]

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
};

/// What became of an event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The function answered, with this JSON.
    Answer(Value),
    /// The function reported an invocation error, with this JSON.
    Error(Value),
}

impl Outcome {
    /// The answer.
    #[track_caller]
    pub(crate) fn answer(self) -> Value {
        match self {
            Self::Answer(answer) => answer,
            Self::Error(error) => panic!("an invocation error: {error}"),
        }
    }

    /// The invocation error.
    #[track_caller]
    pub(crate) fn error(self) -> Value {
        match self {
            Self::Error(error) => error,
            Self::Answer(answer) => panic!("no invocation error but an answer: {answer}"),
        }
    }
}

struct Invocation {
    event: Bytes,
    deadline: SystemTime,
    outcome: oneshot::Sender<Outcome>,
}

struct Shared {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    under_way: Mutex<HashMap<u64, oneshot::Sender<Outcome>>>,
    last_id: Mutex<u64>,
    polled: Notify,
    init_error: Mutex<Option<Value>>,
}

/// The Runtime API. It runs on the tokio runtime that started it.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(crate) async fn start() -> Self {
        let (events, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            next: tokio::sync::Mutex::new(next),
            under_way: Mutex::default(),
            last_id: Mutex::default(),
            polled: Notify::new(),
            init_error: Mutex::default(),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(answered),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(init_failed))
            // Lambda takes answers of up to 6 MB.
            .layer(axum::extract::DefaultBodyLimit::max(6 * 1024 * 1024))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self {
            address,
            events,
            shared,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the function answer an event, which need not be JSON.
    pub(crate) async fn invoke(&self, event: impl Into<Bytes>) -> Outcome {
        self.invoke_with_deadline(event, SystemTime::now() + Duration::from_secs(3))
            .await
    }

    /// The same with a deadline of its own.
    pub(crate) async fn invoke_with_deadline(
        &self,
        event: impl Into<Bytes>,
        deadline: SystemTime,
    ) -> Outcome {
        let (outcome, answered) = oneshot::channel();
        let invocation = Invocation {
            event: event.into(),
            deadline,
            outcome,
        };
        assert!(
            self.events.send(invocation).is_ok(),
            "the Runtime API has stopped"
        );
        tokio::time::timeout(Duration::from_secs(30), answered)
            .await
            .expect("the function answers within 30 s")
            .expect("the Runtime API keeps the invocation until it is answered")
    }

    /// Waits until the function asks for its next event.
    pub(crate) async fn polled(&self) {
        self.shared.polled.notified().await;
    }
}

async fn next_event(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    shared.polled.notify_one();
    let Invocation {
        event,
        deadline,
        outcome,
    } = shared
        .next
        .lock()
        .await
        .recv()
        .await
        .expect("the Runtime API is running");
    let id = {
        let mut last_id = shared.last_id.lock().unwrap();
        *last_id += 1;
        *last_id
    };
    shared.under_way.lock().unwrap().insert(id, outcome);
    let deadline = deadline
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let headers = [
        ("content-type", "application/json".to_owned()),
        (
            "lambda-runtime-aws-request-id",
            format!("8476a536-e9f4-11e8-9739-{id:012x}"),
        ),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:counter".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-66f0c2a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0".to_owned(),
        ),
    ];
    (headers, event)
}

async fn answered(
    State(shared): State<Arc<Shared>>,
    UrlPath(id): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    finish(
        &shared,
        &id,
        Outcome::Answer(serde_json::from_slice(&body).unwrap()),
    )
}

async fn failed(
    State(shared): State<Arc<Shared>>,
    UrlPath(id): UrlPath<String>,
    body: Bytes,
) -> StatusCode {
    finish(
        &shared,
        &id,
        Outcome::Error(serde_json::from_slice(&body).unwrap()),
    )
}

async fn init_failed(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    *shared.init_error.lock().unwrap() = Some(serde_json::from_slice(&body).unwrap());
    StatusCode::ACCEPTED
}

fn finish(shared: &Shared, id: &str, outcome: Outcome) -> StatusCode {
    let (_, id) = id.rsplit_once('-').unwrap();
    let id = u64::from_str_radix(id, 16).unwrap();
    let waiting = shared.under_way.lock().unwrap().remove(&id);
    waiting
        .expect("one outcome for each event")
        .send(outcome)
        .ok();
    StatusCode::ACCEPTED
}

/// The counter's program: the one that is to be deployed, where `BOOTSTRAP` names it.
pub(crate) fn counter() -> PathBuf {
    env::var_os("BOOTSTRAP").map_or_else(
        || env!("CARGO_BIN_EXE_page-visit-counter").into(),
        PathBuf::from,
    )
}

/// The function's program, started as Lambda starts it.
pub(crate) struct Function {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Function {
    /// Starts the counter with nothing in its environment but what Lambda sets, and `variables`.
    pub(crate) fn start(api: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let api = api.to_string();
        let mut all = vec![("AWS_LAMBDA_RUNTIME_API", api.as_str())];
        all.extend(variables);
        Self::start_program(&counter(), &all)
    }

    /// Starts any program; `variables` say where the Runtime API is.
    pub(crate) fn start_program(program: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .env_clear()
            .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            collect(BufReader::new(child.stdout.take().unwrap()), &lines),
            collect(BufReader::new(child.stderr.take().unwrap()), &lines),
        ];
        Self {
            child,
            lines,
            readers,
        }
    }

    /// The lines that it has logged so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for the first line that `wanted` accepts; the program writes it before it answers, but
    /// through a pipe.
    pub(crate) fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(line) = self.log().into_iter().find(|line| wanted(line)) {
                return line;
            }
            assert!(
                Instant::now() < deadline,
                "no such line in the log: {:#?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself, and gives its status and its whole log.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < deadline,
                "the program is still running: {:#?}",
                self.log()
            );
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.log())
    }

    /// Whether it is still running.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn collect(pipe: impl BufRead + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in pipe.split(b'\n') {
            let Ok(line) = line else { return };
            lines
                .lock()
                .unwrap()
                .push(String::from_utf8_lossy(&line).into_owned());
        }
    })
}
