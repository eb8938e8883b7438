//! `make run`, which serves the page with `cargo lambda watch`.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::support::server_process::ServerProcess;

/// Long enough to build the function from nothing on a small machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// A running `make run`.
#[derive(Debug)]
pub(crate) struct Watch {
    address: SocketAddr,
    _process: ServerProcess,
}

impl Watch {
    /// Starts it with these settings, each `NAME=VALUE`, on a free port of the loopback interface. Waits until
    /// the function is built and answers.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let port = format!("PORT={}", address.port());
        // A file that a test writes must not restart the function.
        let mut command = vec!["make", "run", &port, "WATCH_OPTIONS=--ignore-changes"];
        command.extend(settings);
        let mut process = ServerProcess::start("watch", &command);
        let deadline = Instant::now() + PATIENCE;
        let answer = loop {
            process.assert_running();
            assert!(Instant::now() < deadline, "the function does not answer:\n{}", process.log());
            match first_answer(address) {
                Ok(answer) if !answer.is_empty() => break answer,
                _ => thread::sleep(Duration::from_millis(50)),
            }
        };
        let log = process.log();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}\n{log}");
        // By default, cargo-lambda would add headers that let any site read an answer.
        assert!(!answer.contains("\naccess-control-"), "{answer}");
        Self { address, _process: process }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the page, or of another resource relative to it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

/// A free port of the loopback interface. cargo-lambda cannot choose one itself.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).unwrap().port()
}

/// The answer to a request that is not a visit, because a visit would be in the function's log. Uses only the standard
/// library, because some callers may not start or block a runtime.
fn first_answer(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "GET /robots.txt HTTP/1.1\r\nHost: {address}\r\nOrigin: https://example.com\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
