//! A [Lambda Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html) on loopback, and a
//! function's program behind it. Events need not be JSON.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
        mpsc as blocking,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{self, Notify, mpsc},
    time::timeout,
};

/// Longer than any visit takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of an answer, or of the invocation error that was reported instead.
type Outcome<T> = Result<T, T>;

type Sender = blocking::Sender<Outcome<Bytes>>;

struct Shared {
    /// Each event with where to send its outcome.
    events: mpsc::UnboundedSender<(Bytes, Sender)>,
    next: sync::Mutex<mpsc::UnboundedReceiver<(Bytes, Sender)>>,
    /// One for each request so far, until it has its outcome.
    senders: Mutex<Vec<Option<Sender>>>,
    polled: Notify,
    refuses: AtomicBool,
    sleeper: OnceLock<u32>,
}

/// The Runtime API. It runs in its own threads until it is dropped.
pub(crate) struct RuntimeApi {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Runtime,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn start() -> Self {
        let (events, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            events,
            next: next.into(),
            senders: Mutex::default(),
            polled: Notify::new(),
            refuses: AtomicBool::new(false),
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
        Self { address, shared, runtime }
    }

    /// Sends the function an event, and returns the answer.
    pub(crate) fn invoke(&self, event: impl Into<Bytes>) -> Outcome<Value> {
        let (sender, receiver) = blocking::channel();
        assert!(self.shared.events.send((event.into(), sender)).is_ok());
        let json = |body: Bytes| serde_json::from_slice(&body).unwrap();
        receiver.recv_timeout(TIMEOUT).unwrap().map(json).map_err(json)
    }

    /// Makes it answer 500 to the next answer.
    pub(crate) fn refuse_next_answer(&self) {
        self.shared.refuses.store(true, Ordering::Relaxed);
    }

    /// Waits until the function polls.
    pub(crate) fn wait_for_poll(&self) {
        self.runtime
            .block_on(async { timeout(TIMEOUT, self.shared.polled.notified()).await })
            .expect("the function must poll");
    }

    /// Makes later answers to this function wait until it sleeps. Otherwise it would sometimes find the answer
    /// before it sleeps, and the number of its instructions would vary.
    pub(crate) fn wait_for_sleep_of(&self, function: &Function) {
        self.shared.sleeper.set(function.child.id()).unwrap();
    }
}

/// The id of a request by its number, which starts at 1.
pub(crate) fn request_id(number: usize) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012x}")
}

async fn next_event(State(shared): State<Arc<Shared>>) -> Response {
    shared.polled.notify_one();
    let (event, sender) = shared.next.lock().await.recv().await.unwrap();
    let number = {
        let mut senders = shared.senders.lock().unwrap();
        senders.push(Some(sender));
        senders.len()
    };
    let deadline = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() + 3000;
    let arn = "arn:aws:lambda:eu-central-1:123456789012:function:counter";
    let trace = "Root=1-66f0c2a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0";
    let headers = [
        ("lambda-runtime-aws-request-id", &*request_id(number)),
        ("lambda-runtime-deadline-ms", &deadline.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", trace),
    ];
    wait_for_sleep(shared.sleeper.get());
    (headers, event).into_response()
}

async fn finish(
    State(shared): State<Arc<Shared>>,
    Path((id, outcome)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let number = usize::from_str_radix(id.rsplit('-').next().unwrap(), 16).unwrap();
    assert_eq!(id, request_id(number));
    let sender = shared.senders.lock().unwrap()[number - 1].take().expect("each event must have one outcome");
    sender.send(if outcome == "response" { Ok(body) } else { Err(body) }).unwrap();
    wait_for_sleep(shared.sleeper.get());
    let is_refused = shared.refuses.swap(false, Ordering::Relaxed);
    if is_refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::ACCEPTED }
}

/// The counter's program: the one that `BOOTSTRAP` names, or the one that Cargo built with the tests.
pub(crate) fn counter() -> PathBuf {
    // Not `CARGO_BIN_EXE_…`, which in a copy of the project would be the original's program.
    let beside_the_tests = || env::current_exe().unwrap().parent().unwrap().with_file_name("page-visit-counter");
    env::var_os("BOOTSTRAP").map_or_else(beside_the_tests, PathBuf::from)
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
    pub(crate) fn spawn<'a>(command: &mut Command, variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
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
        let lines = BufReader::new(log).split(b'\n').map(|line| String::from_utf8_lossy(&line.unwrap()).into_owned());
        Self { child, log: Some(thread::spawn(|| lines.collect())) }
    }

    /// Waits until the program ends by itself, and returns its status and its whole log.
    pub(crate) fn ended(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + TIMEOUT;
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
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        self.ended().1
    }

    pub(crate) fn wait_for_sleep(&self) {
        wait_for_sleep(Some(&self.child.id()));
    }

    /// The memory that the program uses, in KiB: `VmRSS` is the resident memory, `VmHWM` its peak.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
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
