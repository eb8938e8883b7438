//! A Lambda Runtime API on loopback, and a function's program behind it: for the tests of the built
//! program, and for `benches/process.rs`.
//!
//! Implements the [Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html), with
//! event bodies that are not JSON, and with the faults that a network or AWS may have.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    panic,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc as blocking,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::GzDecoder;
use futures_util::stream;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    sync::{Notify, mpsc},
    time::timeout,
};

/// Longer than any visit takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// The body of an answer, or the invocation error that was reported in its place.
type Outcome<T> = Result<T, T>;

/// What is wrong with the delivery of an event, or with the receipt of its answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// The event arrives an hour after its deadline.
    Late,
    /// 10 KB of headers stand before the event.
    LongHeaders,
    /// The connection closes in the middle of the event.
    HalfAnEvent,
    /// A status of 500 in place of the event.
    NoEvent,
    /// The connection closes when the answer begins.
    HalfAnAnswer,
    /// A status of 500 for the answer.
    AnswerRefused,
}

struct Invocation {
    event: Bytes,
    fault: Option<Fault>,
    outcome: blocking::Sender<Outcome<Bytes>>,
}

struct Shared {
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    under_way: Mutex<HashMap<String, Invocation>>,
    last_id: AtomicU32,
    polled: Notify,
    sleeper: OnceLock<u32>,
}

/// The Runtime API. It works in a thread of its own, until it is dropped.
pub(crate) struct RuntimeApi {
    address: SocketAddr,
    events: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
    runtime: Runtime,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start() -> Self {
        let (events, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            next: next.into(),
            under_way: Mutex::default(),
            last_id: AtomicU32::default(),
            polled: Notify::new(),
            sleeper: OnceLock::new(),
        });
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/invocation/next", get(next_event))
            .route("/invocation/{id}/{outcome}", post(finish));
        let routes = Router::new()
            .nest("/2018-06-01/runtime", routes)
            .with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, routes).await });
        Self {
            address,
            events,
            shared,
            runtime,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has the function answer an event, which need not be JSON.
    pub(crate) fn invoke(&self, event: impl Into<Bytes>) -> Outcome<Value> {
        self.invoke_with(None, event)
    }

    /// The same with a fault after which there still is an answer.
    pub(crate) fn invoke_with(
        &self,
        fault: impl Into<Option<Fault>>,
        event: impl Into<Bytes>,
    ) -> Outcome<Value> {
        let json = |body: Bytes| serde_json::from_slice(&body).unwrap();
        self.deliver(fault, event)
            .recv_timeout(PATIENCE)
            .expect("the function answers")
            .map(json)
            .map_err(json)
    }

    /// Has the function get an event when it next asks for one, without waiting for what it makes of it.
    pub(crate) fn deliver(
        &self,
        fault: impl Into<Option<Fault>>,
        event: impl Into<Bytes>,
    ) -> blocking::Receiver<Outcome<Bytes>> {
        let (outcome, finished) = blocking::channel();
        let invocation = Invocation {
            event: event.into(),
            fault: fault.into(),
            outcome,
        };
        assert!(self.events.send(invocation).is_ok(), "the API is running");
        finished
    }

    /// Waits until the function asks for an event, as Python does under valgrind after some while.
    pub(crate) fn wait_for_poll(&self) {
        let polled = async { timeout(18 * PATIENCE, self.shared.polled.notified()).await };
        self.runtime.block_on(polled).expect("the function asks");
    }

    /// From now on answers the function only while it sleeps. One that is still on its way to sleep
    /// may find the answer before it goes there, now so and now so: the count of its instructions
    /// would vary.
    pub(crate) fn wait_for_sleep_of(&self, function: &Function) {
        self.shared.sleeper.set(function.id()).unwrap();
    }
}

async fn next_event(State(shared): State<Arc<Shared>>) -> Response {
    shared.polled.notify_one();
    let Some(invocation) = shared.next.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let (event, fault) = (invocation.event.clone(), invocation.fault);
    let id = shared.last_id.fetch_add(1, Ordering::Relaxed);
    let id = format!("8476a536-e9f4-11e8-9739-{id:012x}");
    let mut headers = HeaderMap::new();
    let mut set = |name, value: String| headers.insert(name, HeaderValue::try_from(value).unwrap());
    set("lambda-runtime-aws-request-id", id.clone());
    let deadline = match fault {
        Some(Fault::Late) => SystemTime::now() - Duration::from_secs(60 * 60),
        _ => SystemTime::now() + Duration::from_secs(3),
    };
    let deadline = deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    set(
        "lambda-runtime-deadline-ms",
        deadline.as_millis().to_string(),
    );
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:counter";
    set("lambda-runtime-invoked-function-arn", arn.to_owned());
    let trace = "Root=1-66f0c2a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0";
    set("lambda-runtime-trace-id", trace.to_owned());
    set("content-type", "application/json".to_owned());
    if fault == Some(Fault::LongHeaders) {
        set("x-padding", "x".repeat(10 * 1024));
    }
    shared.under_way.lock().unwrap().insert(id, invocation);
    if let Some(sleeper) = shared.sleeper.get() {
        wait_for_sleep(*sleeper);
    }
    match fault {
        Some(Fault::NoEvent) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::HalfAnEvent) => {
            headers.insert("content-length", event.len().into());
            let half = Ok(event.slice(..event.len() / 2));
            let body = stream::iter([half, Err(io::Error::from(io::ErrorKind::BrokenPipe))]);
            (headers, Body::from_stream(body)).into_response()
        }
        _ => (headers, event).into_response(),
    }
}

async fn finish(
    State(shared): State<Arc<Shared>>,
    Path((id, outcome)): Path<(String, String)>,
    request: Request,
) -> StatusCode {
    let invocation = shared.under_way.lock().unwrap().remove(&id);
    let invocation = invocation.expect("one outcome for each event");
    if invocation.fault == Some(Fault::HalfAnAnswer) {
        // Ends the task of this connection, and so the connection; as a panic would, with less noise.
        panic::resume_unwind(Box::new(Fault::HalfAnAnswer));
    }
    // Lambda takes answers of up to 6 MB.
    let body = axum::body::to_bytes(request.into_body(), 6 * 1024 * 1024).await;
    let body = body.unwrap();
    let outcome = match &*outcome {
        "response" => Ok(body),
        _ => Err(body),
    };
    // Nobody waits for some.
    invocation.outcome.send(outcome).ok();
    if let Some(sleeper) = shared.sleeper.get() {
        wait_for_sleep(*sleeper);
    }
    match invocation.fault {
        Some(Fault::AnswerRefused) => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::ACCEPTED,
    }
}

/// The counter's program: the one that is to be deployed, where `BOOTSTRAP` names it.
pub(crate) fn counter() -> PathBuf {
    // Not `CARGO_BIN_EXE_…`, which after a copy of the project is the original's.
    let beside_the_tests = || {
        let test = env::current_exe().unwrap();
        test.parent().unwrap().with_file_name("page-visit-counter")
    };
    env::var_os("BOOTSTRAP").map_or_else(beside_the_tests, PathBuf::from)
}

/// The page or other text that an answer of payload 2.0 holds.
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
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Function {
    /// Starts the counter with nothing in its environment but what Lambda sets, and `variables`.
    pub(crate) fn start(api: SocketAddr, variables: &[(&str, &str)]) -> Self {
        let mut all = vec![("AWS_LAMBDA_RUNTIME_API", api.to_string())];
        all.extend(
            variables
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        Self::spawn(&mut Command::new(counter()), all)
    }

    /// Starts any command; `variables` say where the Runtime API is.
    pub(crate) fn spawn(
        command: &mut Command,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> Self {
        let mut child = command
            .env_clear()
            .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Arc::default();
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

    /// Waits for the first line in the log that `wanted` accepts: the program writes it before it
    /// answers, but through a pipe.
    pub(crate) fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.lines.lock().unwrap();
            if let Some(line) = lines.iter().find(|line| wanted(line)) {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "no such line: {lines:#?}");
            drop(lines);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until it ends by itself, and gives its status and its whole log.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "the program is still running");
            thread::sleep(Duration::from_millis(5));
        };
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let lines = std::mem::take(&mut *self.lines.lock().unwrap());
        (status, lines)
    }

    /// Ends it, as a terminal would and so that valgrind writes what it has counted, and gives its
    /// whole log.
    pub(crate) fn end(self) -> Vec<String> {
        let kill = Command::new("kill").arg(self.id().to_string()).status();
        assert!(kill.unwrap().success());
        self.ended().1
    }

    /// Waits until it does nothing but wait.
    pub(crate) fn wait_for_sleep(&self) {
        wait_for_sleep(self.id());
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// An amount of memory, in KiB: `VmRSS`, what is resident, or `VmHWM`, the most that has been.
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

/// Waits until a process sleeps: its first thread, that is.
fn wait_for_sleep(process: u32) {
    let path = format!("/proc/{process}/stat");
    // pid (name) state …
    while !fs::read_to_string(&path).unwrap().contains(") S ") {
        thread::yield_now();
    }
}

fn collect(pipe: impl BufRead + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in pipe.split(b'\n') {
            let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
            lines.lock().unwrap().push(line);
        }
    })
}
