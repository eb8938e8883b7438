//! A Lambda Runtime API on loopback, and a function's program behind it.
//!
//! Implements the [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). Events need not
//! be JSON, and the API can fail as a network or AWS may.

use std::{
    collections::HashMap,
    env, fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    panic,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, OnceLock, mpsc as blocking},
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Request, State},
    http::{StatusCode, header::CONTENT_LENGTH},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use futures_util::stream;
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, sync, time::timeout};

/// Longer than any visit takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of an answer, or of the invocation error that was reported instead.
type Outcome<T> = Result<T, T>;

/// A fault in the delivery of an event or in the receipt of its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The event arrives an hour after its deadline.
    Late,
    /// The event comes with 10 KB of headers.
    LongHeaders,
    /// The connection closes in the middle of the event.
    HalfAnEvent,
    /// The Runtime API answers 500 instead of an event.
    NoEvent,
    /// The connection closes when the answer begins.
    HalfAnAnswer,
    /// The Runtime API answers 500 to the answer.
    AnswerRefused,
}

struct Invocation {
    event: Bytes,
    fault: Option<Fault>,
    outcome: blocking::Sender<Outcome<Bytes>>,
}

struct Shared {
    events: sync::mpsc::UnboundedSender<Invocation>,
    next: sync::Mutex<sync::mpsc::UnboundedReceiver<Invocation>>,
    /// The events that the function is working on, by request id, and the number of the latest request.
    under_way: Mutex<(HashMap<String, Invocation>, usize)>,
    polled: sync::Notify,
    sleeper: OnceLock<u32>,
}

/// The Runtime API. It runs in its own threads until it is dropped.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Runtime,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start() -> Self {
        let (events, next) = sync::mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events,
            next: next.into(),
            under_way: Mutex::default(),
            polled: sync::Notify::new(),
            sleeper: OnceLock::new(),
        });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let invocation = "/2018-06-01/runtime/invocation";
        let routes = Router::new()
            .route(&format!("{invocation}/next"), get(next_event))
            .route(&format!("{invocation}/{{id}}/{{outcome}}"), post(finish))
            .with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, routes).await });
        Self {
            address,
            shared,
            runtime,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends the function an event, and returns the answer.
    pub(crate) fn invoke(&self, event: impl Into<Bytes>) -> Outcome<Value> {
        self.invoke_with(None, event)
    }

    /// The same, with a fault after which the function can still answer.
    pub(crate) fn invoke_with(
        &self,
        fault: impl Into<Option<Fault>>,
        event: impl Into<Bytes>,
    ) -> Outcome<Value> {
        let outcome = self.deliver(fault, event).recv_timeout(PATIENCE).unwrap();
        let json = |body: Bytes| serde_json::from_slice(&body).unwrap();
        outcome.map(json).map_err(json)
    }

    /// Sends the function an event when it next polls, and does not wait for the answer.
    pub(crate) fn deliver(
        &self,
        fault: impl Into<Option<Fault>>,
        event: impl Into<Bytes>,
    ) -> blocking::Receiver<Outcome<Bytes>> {
        let (event, fault) = (event.into(), fault.into());
        let (outcome, receiver) = blocking::channel();
        #[rustfmt::skip]
        let invocation = Invocation { event, fault, outcome };
        assert!(self.shared.events.send(invocation).is_ok());
        receiver
    }

    /// Waits until the function polls. Under valgrind, Python takes minutes to start.
    pub(crate) fn wait_for_poll(&self) {
        let polled = async { timeout(18 * PATIENCE, self.shared.polled.notified()).await };
        self.runtime
            .block_on(polled)
            .expect("the function must poll");
    }

    /// Makes later answers to this function wait until it sleeps. Otherwise it would sometimes find the answer
    /// before it sleeps, and the number of its instructions would vary.
    pub(crate) fn wait_for_sleep_of(&self, function: &Function) {
        self.shared.sleeper.set(function.id()).unwrap();
    }
}

/// The id of a request by its number, which starts at 1.
pub(crate) fn request_id(number: usize) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012x}")
}

async fn next_event(State(shared): State<Arc<Shared>>) -> Response {
    shared.polled.notify_one();
    let invocation = shared.next.lock().await.recv().await.unwrap();
    let (event, fault) = (invocation.event.clone(), invocation.fault);
    let id = {
        let (under_way, latest) = &mut *shared.under_way.lock().unwrap();
        *latest += 1;
        let id = request_id(*latest);
        under_way.insert(id.clone(), invocation);
        id
    };
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    let deadline = match fault {
        Some(Fault::Late) => now - 60 * 60 * 1000,
        _ => now + 3000,
    };
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:counter";
    let trace = "Root=1-66f0c2a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0";
    let headers = [
        ("lambda-runtime-aws-request-id", &*id),
        ("lambda-runtime-deadline-ms", &deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", trace),
        ("content-type", "application/json"),
    ];
    wait_for_sleep(shared.sleeper.get());
    match fault {
        Some(Fault::NoEvent) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::LongHeaders) => {
            let padding = [("x-padding", "x".repeat(10 * 1024))];
            (headers, padding, event).into_response()
        }
        Some(Fault::HalfAnEvent) => {
            let half = Ok(event.slice(..event.len() / 2));
            let body = stream::iter([half, Err(io::Error::from(io::ErrorKind::BrokenPipe))]);
            let length = [(CONTENT_LENGTH, event.len())];
            (length, headers, Body::from_stream(body)).into_response()
        }
        _ => (headers, event).into_response(),
    }
}

async fn finish(
    State(shared): State<Arc<Shared>>,
    Path((id, outcome)): Path<(String, String)>,
    request: Request,
) -> StatusCode {
    let invocation = shared.under_way.lock().unwrap().0.remove(&id);
    let invocation = invocation.expect("each event must have one outcome");
    if invocation.fault == Some(Fault::HalfAnAnswer) {
        // Closes this connection, as a panic does, but prints no message.
        panic::resume_unwind(Box::new(Fault::HalfAnAnswer));
    }
    // Lambda accepts answers of up to 6 MB.
    let body = to_bytes(request.into_body(), 6 * 1024 * 1024).await;
    let body = body.unwrap();
    let is_answer = outcome == "response";
    // Some tests do not wait for the outcome.
    let outcome = if is_answer { Ok(body) } else { Err(body) };
    invocation.outcome.send(outcome).ok();
    wait_for_sleep(shared.sleeper.get());
    match invocation.fault {
        Some(Fault::AnswerRefused) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::ACCEPTED,
    }
}

/// The counter's program: the one that `BOOTSTRAP` names, or the one that Cargo built with the tests.
pub(crate) fn counter() -> PathBuf {
    // Not `CARGO_BIN_EXE_…`, which in a copy of the project would be the original's program.
    let beside_the_tests = || {
        let test = env::current_exe().unwrap();
        test.parent().unwrap().with_file_name("page-visit-counter")
    };
    env::var_os("BOOTSTRAP").map_or_else(beside_the_tests, PathBuf::from)
}

/// The text of an answer in payload 2.0, decompressed.
pub(crate) fn body(answer: &Value) -> String {
    let body = answer["body"].as_str().unwrap();
    if answer["isBase64Encoded"] == false {
        return body.to_owned();
    }
    assert_eq!(answer["headers"]["content-encoding"], "gzip");
    let compressed = BASE64_STANDARD.decode(body).unwrap();
    io::read_to_string(GzDecoder::new(&*compressed)).unwrap()
}

/// A function's program, started as Lambda starts it.
pub(crate) struct Function {
    child: Child,
    log: Option<JoinHandle<Vec<String>>>,
}

impl Function {
    /// Starts the counter with only Lambda's environment variables and `variables`.
    pub(crate) fn start(api: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let api = [("AWS_LAMBDA_RUNTIME_API", &*api.to_string())];
        Self::spawn(&mut Command::new(counter()), [&api, variables].concat())
    }

    /// Starts any command. `variables` must include the Runtime API's address.
    pub(crate) fn spawn<'a>(
        command: &mut Command,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let (log, output) = io::pipe().unwrap();
        let child = command
            .env_clear()
            .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        // The command would hold the pipe open, and the log would not end with the program.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = BufReader::new(log).split(b'\n');
        let lines = lines.map(|line| String::from_utf8_lossy(&line.unwrap()).into_owned());
        let log = Some(thread::spawn(|| lines.collect()));
        Self { child, log }
    }

    /// Waits until the program ends by itself, and returns its status and its whole log.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program is still running");
            thread::sleep(Duration::from_millis(5));
        };
        (status, self.log.take().unwrap().join().unwrap())
    }

    /// Ends the program with SIGTERM, which makes valgrind write its report, and returns its whole log.
    pub(crate) fn end(self) -> Vec<String> {
        let kill = Command::new("kill").arg(self.id().to_string()).status();
        assert!(kill.unwrap().success());
        self.ended().1
    }

    /// Waits until the program sleeps.
    pub(crate) fn wait_for_sleep(&self) {
        wait_for_sleep(Some(&self.id()));
    }

    /// The program's process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The memory that the program uses, in KiB: `VmRSS` is the resident memory, `VmHWM` its peak.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.strip_prefix(':')?.strip_suffix("kB"));
        kib.unwrap().trim().parse().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until the first thread of a process, if there is one, sleeps.
fn wait_for_sleep(process: Option<&u32>) {
    let Some(process) = process else { return };
    // pid (name) state …
    while !fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|it| it.contains(") S ")) {
        thread::yield_now();
    }
}
