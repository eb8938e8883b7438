//! A function's program behind a [Lambda Runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html)
//! on loopback. Events need not be JSON.

use std::{
    env,
    fs::{self, File},
    io::{self, Seek},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
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
use tempfile::tempfile;
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot};

/// Longer than any visit takes.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The body of an answer, or of the invocation error that was reported instead.
type Outcome<T> = Result<T, T>;

/// Takes the next event to a function that polls.
type Poll = oneshot::Sender<Response>;

/// The state of the Runtime API.
struct Shared {
    polls: Sender<Poll>,
    /// Where to send the outcome of each request so far, until it has one.
    outcomes: Mutex<Vec<Option<Sender<Outcome<Bytes>>>>>,
    refuses: AtomicBool,
}

/// A program that was started as Lambda starts it.
pub(crate) struct Function {
    _runtime: Runtime, // dropped first, because its tasks use the channels
    polls: Mutex<Receiver<Poll>>,
    shared: Arc<Shared>,
    child: Child,
    log: File,
}

/// The counter's program: the one that `BOOTSTRAP` names, or the one that Cargo built with the tests.
pub(crate) fn counter() -> String {
    // Not `CARGO_BIN_EXE_…`, which in a copy of the project would be the original's program.
    let beside_the_tests = || env::current_exe().unwrap().parent().unwrap().with_file_name("page-visit-counter");
    env::var("BOOTSTRAP").unwrap_or_else(|_| beside_the_tests().into_os_string().into_string().unwrap())
}

impl Function {
    /// Starts the counter with only Lambda's environment variables and `variables`.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::spawn(&[&counter()], variables)
    }

    /// Starts any command in the same way.
    pub(crate) fn spawn(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let (sender, polls) = mpsc::channel();
        let shared = Arc::new(Shared { polls: sender, outcomes: Mutex::default(), refuses: false.into() });
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next_event))
            .route("/2018-06-01/runtime/invocation/{id}/{outcome}", post(finish))
            .with_state(Arc::clone(&shared));
        runtime.spawn(async { axum::serve(listener, routes).await });
        let log = tempfile().unwrap();
        let child = Command::new(command[0])
            .args(&command[1..])
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { _runtime: runtime, polls: polls.into(), shared, child, log }
    }

    /// Sends it an event, and returns the answer.
    pub(crate) fn invoke(&self, event: impl Into<Bytes>) -> Outcome<Value> {
        let poll = self.next_poll();
        let (sender, outcome) = mpsc::channel();
        let number = {
            let mut outcomes = self.shared.outcomes.lock().unwrap();
            outcomes.push(Some(sender));
            outcomes.len()
        };
        let deadline = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() + 3000;
        let headers = [
            ("lambda-runtime-aws-request-id", request_id(number)),
            ("lambda-runtime-deadline-ms", deadline.to_string()),
            ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:counter".into()),
            ("lambda-runtime-trace-id", "Root=1-66f0c2a1-0123456789abcdef01234567;Parent=0123456789abcdef".into()),
        ];
        poll.send((headers, event.into()).into_response()).unwrap();
        let json = |body: Bytes| serde_json::from_slice(&body).unwrap();
        outcome.recv_timeout(TIMEOUT).unwrap().map(json).map_err(json)
    }

    fn next_poll(&self) -> Poll {
        self.polls.lock().unwrap().recv_timeout(TIMEOUT).expect("the function must poll")
    }

    /// Waits until it polls and sleeps. An event that came earlier would save it some instructions.
    pub(crate) fn wait_for_poll(&self) {
        self.shared.polls.send(self.next_poll()).unwrap();
        // pid (name) state …: S if it sleeps, and Z if it has ended
        while !fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .is_ok_and(|it| it.contains(") S ") || it.contains(") Z "))
        {
            thread::yield_now();
        }
    }

    /// Makes the Runtime API answer 500 to the next answer.
    pub(crate) fn refuse_next_answer(&self) {
        self.shared.refuses.store(true, Ordering::Relaxed);
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
        self.log.rewind().unwrap();
        (status, io::read_to_string(&self.log).unwrap().lines().map(str::to_owned).collect())
    }

    /// Ends the program with SIGTERM, which makes valgrind write its report, and returns its whole log.
    pub(crate) fn end(self) -> Vec<String> {
        assert!(Command::new("kill").arg(self.child.id().to_string()).status().unwrap().success());
        self.ended().1
    }

    /// The memory that the program uses, in KiB: `VmRSS` is the resident memory, `VmHWM` its peak.
    pub(crate) fn memory_kib(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The id of a request by its number, which starts at 1.
pub(crate) fn request_id(number: usize) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012x}")
}

async fn next_event(State(shared): State<Arc<Shared>>) -> Response {
    let (poll, event) = oneshot::channel();
    shared.polls.send(poll).unwrap();
    event.await.unwrap()
}

async fn finish(
    State(shared): State<Arc<Shared>>,
    Path((id, outcome)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let number = usize::from_str_radix(id.rsplit('-').next().unwrap(), 16).unwrap();
    assert_eq!(id, request_id(number));
    let sender = shared.outcomes.lock().unwrap()[number - 1].take().expect("each event must have one outcome");
    sender.send(if outcome == "response" { Ok(body) } else { Err(body) }).unwrap();
    let is_refused = shared.refuses.swap(false, Ordering::Relaxed);
    if is_refused { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::ACCEPTED }
}
