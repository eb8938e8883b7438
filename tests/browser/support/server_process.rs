//! A server that ends with the tests that started it.

use std::{
    fs::File,
    io::Read,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::ROOT;

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
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts a command in the project's folder, and writes its output to a file in `target` with this name.
    pub(crate) fn start(name: &str, command: &[&str]) -> Self {
        let log = Path::new(ROOT).join(format!("target/browser-{name}.log"));
        let output = File::create(&log).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", UNTIL_END_OF_INPUT, "sh"])
            .args(command)
            .current_dir(ROOT)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let lifeline = child.stdin.take();
        Self { child, lifeline, log }
    }

    /// The server's output so far.
    pub(crate) fn log(&self) -> String {
        let mut log = Vec::new();
        File::open(&self.log).and_then(|mut file| file.read_to_end(&mut log)).unwrap();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Fails if the server has ended.
    #[track_caller]
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("a server ended with {status}:\n{}", self.log());
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        self.child.wait().ok();
    }
}
