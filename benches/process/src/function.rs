//! A function's program, started as Lambda starts it.

use std::{
    fs,
    io::{self, Read},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    contender::Contender,
    runtime_api::{Request, RuntimeApi},
};

/// A started program, which waits for its next event.
#[derive(Debug)]
pub(crate) struct Function {
    child: Child,
    api: RuntimeApi,
    poll: Request,
    log_bytes: Arc<AtomicU64>,
    log_readers: Vec<JoinHandle<()>>,
    /// From the start to the first poll.
    pub(crate) first_poll: Duration,
    /// Answers only a function that is asleep. A function that is still on its way to sleep may find
    /// the answer before it goes there, now so and now so: the count of its instructions would vary.
    pub(crate) waits_for_sleep: bool,
}

impl Function {
    /// Starts the program, below `wrapper` if that names one, and waits for its first poll.
    pub(crate) fn start(contender: &Contender, wrapper: &[String]) -> io::Result<Self> {
        let mut api = RuntimeApi::listen()?;
        let mut words = wrapper.iter().chain(&contender.command);
        let program = words.next().expect("a contender has a command");
        let mut command = Command::new(program);
        command
            .args(words)
            .current_dir(&contender.directory)
            .env_clear()
            .envs(
                contender
                    .variables
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .env("AWS_LAMBDA_RUNTIME_API", api.address()?.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "counter")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_FORMAT", "JSON")
            .env("AWS_LAMBDA_LOG_LEVEL", "INFO")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start = Instant::now();
        let mut child = command.spawn()?;
        let log_bytes = Arc::new(AtomicU64::new(0));
        let log_readers = [
            child.stdout.take().map(|pipe| count(pipe, &log_bytes)),
            child.stderr.take().map(|pipe| count(pipe, &log_bytes)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let poll = api.request()?;
        let first_poll = start.elapsed();
        if !poll.is_poll() {
            let body = String::from_utf8_lossy(&poll.body);
            return Err(io::Error::other(format!("{}: {body}", poll.target)));
        }
        Ok(Self {
            child,
            api,
            poll,
            log_bytes,
            log_readers,
            first_poll,
            waits_for_sleep: false,
        })
    }

    /// Has it answer an event: how long that took, and the answer.
    pub(crate) fn visit(&mut self, event: &[u8]) -> io::Result<(Duration, Vec<u8>)> {
        self.wait_for_sleep()?;
        let start = Instant::now();
        self.api.deliver(&self.poll, event)?;
        let answer = self.api.request()?;
        let time = start.elapsed();
        if !answer.is_answer() {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(io::Error::other(format!("{}: {body}", answer.target)));
        }
        self.wait_for_sleep()?;
        self.api.acknowledge(&answer)?;
        self.poll = self.api.request()?;
        Ok((time, answer.body))
    }

    /// Waits until the program sleeps, if it is to.
    pub(crate) fn wait_for_sleep(&self) -> io::Result<()> {
        if !self.waits_for_sleep {
            return Ok(());
        }
        let path = format!("/proc/{}/stat", self.id());
        loop {
            let stat = fs::read_to_string(&path)?;
            // pid (name) state …
            if stat
                .rsplit_once(") ")
                .is_some_and(|(_, state)| state.starts_with('S'))
            {
                return Ok(());
            }
            thread::yield_now();
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time of all its threads so far.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let account = fs::read_to_string(task?.path().join("schedstat"))?;
            let on_cpu = account.split(' ').next().unwrap_or_default();
            nanoseconds += on_cpu.parse::<u64>().map_err(io::Error::other)?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The most memory that it has had resident, in KiB.
    pub(crate) fn peak_resident_kib(&self) -> io::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"))
            .and_then(|kib| kib.trim().parse().ok())
            .ok_or_else(|| io::Error::other("no VmHWM"))
    }

    /// Ends it, and gives how many bytes it has logged.
    pub(crate) fn end(mut self) -> io::Result<u64> {
        // SIGTERM, not SIGKILL: valgrind writes what it has counted.
        Command::new("kill").arg(self.id().to_string()).status()?;
        self.child.wait()?;
        for reader in self.log_readers.drain(..) {
            reader
                .join()
                .map_err(|_| io::Error::other("the log's reader"))?;
        }
        Ok(self.log_bytes.load(Ordering::Relaxed))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn count(mut pipe: impl Read + Send + 'static, bytes: &Arc<AtomicU64>) -> JoinHandle<()> {
    let bytes = Arc::clone(bytes);
    thread::spawn(move || {
        let mut buffer = [0; 4 * 1024];
        while let Ok(length @ 1..) = pipe.read(&mut buffer) {
            bytes.fetch_add(length as u64, Ordering::Relaxed);
        }
    })
}
