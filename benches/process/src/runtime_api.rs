//! A Lambda Runtime API that adds as little as possible to what it measures: one thread that reads
//! and writes sockets, no allocation to speak of, one write an answer.
//!
//! The tests' own Runtime API (`tests/runtime_api`) hands each event through tasks and channels, which
//! costs more than the visit.

use std::{
    collections::HashMap,
    io::{self, ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};

/// Longer than any start, one under valgrind included.
const PATIENCE: Duration = Duration::from_mins(3);

const LISTENER: Token = Token(0);

/// The Runtime API of one function.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    connections: HashMap<Token, Connection>,
    last_token: usize,
    visits: u64,
}

/// What a function asked for.
#[derive(Debug)]
pub(crate) struct Request {
    connection: Token,
    /// Method and path.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// Whether it asks for the next event.
    pub(crate) fn is_poll(&self) -> bool {
        self.target.starts_with("GET ") && self.target.ends_with("/invocation/next")
    }

    /// Whether it is the answer to an event.
    pub(crate) fn is_answer(&self) -> bool {
        self.target.starts_with("POST ") && self.target.ends_with("/response")
    }
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl RuntimeApi {
    /// Listens on a free port of the loopback interface.
    pub(crate) fn listen() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll,
            events: Events::with_capacity(16),
            listener,
            connections: HashMap::new(),
            last_token: LISTENER.0,
            visits: 0,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Waits for the function's next request.
    pub(crate) fn request(&mut self) -> io::Result<Request> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (token, connection) in &mut self.connections {
                if let Some(request) = connection.take_request(*token)? {
                    return Ok(request);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::new(
                    ErrorKind::TimedOut,
                    "the function asked for nothing",
                ));
            }
            match self.poll.poll(&mut self.events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            let ready: Vec<Token> = self.events.iter().map(mio::event::Event::token).collect();
            for token in ready {
                if token == LISTENER {
                    self.accept()?;
                } else if !self.receive(token)? {
                    self.connections.remove(&token);
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            self.last_token += 1;
            let token = Token(self.last_token);
            self.poll
                .registry()
                .register(&mut stream, token, Interest::READABLE)?;
            let connection = Connection {
                stream,
                received: Vec::with_capacity(64 * 1024),
            };
            self.connections.insert(token, connection);
        }
    }

    /// Reads what has come; `false` when the connection is closed.
    fn receive(&mut self, token: Token) -> io::Result<bool> {
        let Some(connection) = self.connections.get_mut(&token) else {
            return Ok(true);
        };
        let mut bytes = [0; 16 * 1024];
        loop {
            match connection.stream.read(&mut bytes) {
                Ok(0) => return Ok(false),
                Ok(length) => connection.received.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Answers a poll with an event.
    pub(crate) fn deliver(&mut self, poll: &Request, event: &[u8]) -> io::Result<()> {
        self.visits += 1;
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\n\
             content-type: application/json\r\n\
             lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-{:012x}\r\n\
             lambda-runtime-deadline-ms: 4102444800000\r\n\
             lambda-runtime-invoked-function-arn: \
             arn:aws:lambda:eu-central-1:123456789012:function:counter\r\n\
             lambda-runtime-trace-id: Root=1-66f0c2a1-0123456789abcdef01234567;\
             Parent=0123456789abcdef;Sampled=0\r\n\
             content-length: {}\r\n\r\n",
            self.visits,
            event.len()
        )
        .into_bytes();
        answer.extend_from_slice(event);
        self.write(poll.connection, &answer)
    }

    /// Takes note of an answer.
    pub(crate) fn acknowledge(&mut self, answer: &Request) -> io::Result<()> {
        let accepted = b"HTTP/1.1 202 Accepted\r\n\
                         content-type: application/json\r\n\
                         content-length: 16\r\n\r\n\
                         {\"status\":\"OK\"}\n";
        self.write(answer.connection, accepted)
    }

    /// At once: an event is smaller than the buffer of a socket.
    fn write(&mut self, connection: Token, bytes: &[u8]) -> io::Result<()> {
        self.connections
            .get_mut(&connection)
            .ok_or_else(|| io::Error::new(ErrorKind::NotConnected, "the function has hung up"))?
            .stream
            .write_all(bytes)
    }
}

impl Connection {
    /// The first whole request among what has come.
    fn take_request(&mut self, token: Token) -> io::Result<Option<Request>> {
        let Some(head) = self
            .received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        else {
            return Ok(None);
        };
        let mut lines = std::str::from_utf8(&self.received[..head])
            .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?
            .split("\r\n");
        let target = lines
            .next()
            .and_then(|line| line.strip_suffix(" HTTP/1.1"))
            .unwrap_or_default()
            .to_owned();
        let mut length = 0;
        for line in lines {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            if name.eq_ignore_ascii_case("content-length") {
                length = value
                    .trim()
                    .parse()
                    .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                return Err(io::Error::new(
                    ErrorKind::Unsupported,
                    "a request without a length",
                ));
            }
        }
        let end = head + 4 + length;
        if self.received.len() < end {
            return Ok(None);
        }
        let body = self.received[head + 4..end].to_vec();
        self.received.drain(..end);
        Ok(Some(Request {
            connection: token,
            target,
            body,
        }))
    }
}
