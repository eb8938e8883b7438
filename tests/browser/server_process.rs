//! A server that ends with the tests that started it.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

/// The project's folder. Cargo runs the tests in their own.
pub(crate) const ROOT: &str = "../..";

/// Becomes the server, and kills its process group when the standard input ends: when the [`ServerProcess`] is
/// dropped, or when the tests' process ends, which does not drop statics. Also deletes the server's temporary
/// files, because Chromium leaves many.
const UNTIL_END_OF_INPUT: &str = r#"
    exec 3<&0
    export TMPDIR="$(mktemp -d)"
    { trap '' TERM; read -r _ <&3; kill -- -$$; until rm -rf "$TMPDIR"; do :; done; } &
    exec "$@" 3<&- </dev/null
"#;

/// A server in its own process group.
pub(crate) struct ServerProcess {
    child: Child,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a command in the project's folder, and writes its output to a file in `target`. Asks until there is an
    /// answer, and returns it.
    pub(crate) fn start<T>(command: &[&str], timeout: Duration, ask: impl Fn() -> Option<T>) -> (Self, T) {
        static STARTED: AtomicUsize = AtomicUsize::new(0);

        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = Path::new(ROOT).join(format!("target/browser-{number}-{}.log", command[0]));
        let output = File::create(&log).unwrap();
        let child = Command::new("sh")
            .args(["-c", UNTIL_END_OF_INPUT, "sh"])
            .args(command)
            .current_dir(ROOT)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let mut server = Self { child, log };
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(answer) = ask() {
                return (server, answer);
            }
            let ended = server.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "no answer, {ended:?}:\n{}", server.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The server's output so far.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.child.wait().ok(); // first closes its standard input
    }
}

/// A free port of the loopback interface. cargo-lambda cannot choose one itself.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}
