//! The web of the browser tests: `make run`, and a proxy that connects every site of the tests to it. Like a deployed
//! counter, the sites use TLS.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::Request,
    http::{HeaderValue, header, request, response},
    response::{Html, IntoResponse, Response},
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use reqwest::{Client, redirect};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::sleep,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivateKeyDer},
    server::TlsStream,
};

use crate::server_process::{ServerProcess, free_port};

/// Sites that may show the count: two other sites, and a host on the same site as the counters.
pub(crate) const BLOG: &str = "blog.example.net";
pub(crate) const SHOP: &str = "shop.example.org";
pub(crate) const NEIGHBOUR: &str = "www.example.com";

/// Runs all tests, so that a browser outlives the test that opened it.
pub(crate) static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
/// All tests share one, because the function keeps nothing: each test counts on its own site or in its own cookie jar.
pub(crate) static WATCH: LazyLock<Watch> = LazyLock::new(Watch::start);
/// Asks the counter.
pub(crate) static CLIENT: LazyLock<Client> =
    LazyLock::new(|| Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap());
/// The address of the proxy.
pub(crate) static PROXY: LazyLock<SocketAddr> = LazyLock::new(start_proxy);
/// The tests' own pages, by host and path.
static PAGES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
static RECORD: Mutex<Vec<Exchange>> = Mutex::new(Vec::new());

/// Asks again and again until there is an answer, and returns it. After 30 seconds, fails with the last error.
pub(crate) async fn retry<T>(mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    // Long enough for a busy machine. On an idle one, everything takes a moment.
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A running `make run`, which serves the page with `cargo lambda watch`.
pub(crate) struct Watch {
    pub(crate) port: u16,
    _process: ServerProcess,
}

impl Watch {
    fn start() -> Self {
        // Long enough to build the function from nothing on a small machine.
        let timeout = Duration::from_secs(600);
        let port = free_port();
        let origins = format!("COUNT_EMBED_ORIGINS=https://{BLOG} https://{SHOP} https://{NEIGHBOUR}");
        // A file that a test writes must not restart the function.
        let command = ["make", "run", &format!("PORT={port}"), &origins, "WATCH_OPTIONS=--ignore-changes"];
        // Not a visit, because that would be in the function's log.
        let robots = format!("http://127.0.0.1:{port}/robots.txt");
        let get = async || CLIENT.get(&robots).header("origin", "https://example.com").timeout(timeout).send().await;
        let (process, answer) = ServerProcess::start(&command, timeout, || RUNTIME.block_on(get()).ok());
        assert_eq!(answer.status(), 404, "{}", process.log());
        // By default, cargo-lambda would add headers that let any site read an answer.
        assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control-")), "{answer:?}");
        Self { port, _process: process }
    }
}

/// A request, and the head of its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) request: request::Parts,
    pub(crate) answer: response::Parts,
}

impl Exchange {
    pub(crate) fn path(&self) -> &str {
        self.request.uri.path()
    }

    /// Whether a browser loads this page in advance.
    pub(crate) fn is_ahead(&self) -> bool {
        self.request.headers.contains_key("sec-purpose")
    }
}

/// Serves the tests' own pages, and forwards everything else to `make run`, which is started first: no request has to
/// wait for it.
fn start_proxy() -> SocketAddr {
    LazyLock::force(&WATCH);
    let listener = RUNTIME.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let service = TowerToHyperService::new(Router::new().fallback(answer));
    // A self-signed certificate, which the browsers are set to accept.
    let certified = rcgen::generate_simple_self_signed(["example.com".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let tls = ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certified.cert.into()], key);
    let tls = TlsAcceptor::from(Arc::new(tls.unwrap()));
    RUNTIME.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (tls, service) = (tls.clone(), service.clone());
            tokio::spawn(async move {
                // Ignore errors: a browser may break off, or call hosts of its maker.
                let stream = TokioIo::new(connect(stream, &tls).await.ok()?);
                http1::Builder::new().serve_connection(stream, service).await.ok()
            });
        }
    });
    address
}

/// Answers `CONNECT`, and then acts as the requested server, whatever its name
/// ([RFC 9110, section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
async fn connect(mut stream: TcpStream, tls: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    if !request.starts_with(b"CONNECT ") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tls.accept(stream).await
}

async fn answer(request: Request) -> Response {
    let (request, body) = request.into_parts();
    let address = format!("{}{}", request.headers[header::HOST].to_str().unwrap(), request.uri.path());
    let page = PAGES.lock().unwrap().get(&address).cloned();
    let answer = match page {
        Some(html) => Html(html).into_response(),
        None => forward(request.clone(), to_bytes(body, usize::MAX).await.unwrap()).await,
    };
    let (answer, body) = answer.into_parts();
    RECORD.lock().unwrap().push(Exchange { request, answer: answer.clone() });
    Response::from_parts(answer, body)
}

/// Forwards a request to the counter with all its headers, and with the scheme in the Function URL's header.
async fn forward(mut request: request::Parts, body: Bytes) -> Response {
    request.headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    let forwarded = CLIENT.request(request.method, format!("http://127.0.0.1:{}{}", WATCH.port, request.uri));
    let answer = forwarded.headers(request.headers).body(body).send().await.unwrap();
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    // This header belongs to the connection, not to the answer.
    headers.remove(header::TRANSFER_ENCODING);
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

/// A host of the web, with its own cookies and its own record.
pub(crate) struct Site(pub(crate) String);

impl Site {
    /// A counter with a name that no other test uses.
    pub(crate) fn counter() -> Self {
        static COUNTERS: AtomicUsize = AtomicUsize::new(1);

        LazyLock::force(&PROXY); // here, because it blocks, and a test runs in RUNTIME
        Self(format!("visits{}.example.com", COUNTERS.fetch_add(1, Ordering::Relaxed)))
    }

    /// The address of a page by its path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.0)
    }

    /// Serves a page at this path instead of the counter's answer, and returns its address.
    pub(crate) fn serve(&self, path: &str, html: &str) -> String {
        PAGES.lock().unwrap().insert(format!("{}{path}", self.0), html.to_owned());
        self.url(path)
    }

    /// Everything that the site has answered so far.
    pub(crate) fn record(&self) -> Vec<Exchange> {
        let record = RECORD.lock().unwrap();
        record.iter().filter(|it| it.request.headers[header::HOST] == self.0).cloned().collect()
    }

    /// Waits until the site has answered this many wanted requests, and returns the last.
    pub(crate) async fn recorded(&self, times: usize, wanted: impl Fn(&Exchange) -> bool) -> Exchange {
        retry(async || {
            let record = self.record();
            let exchange = record.iter().filter(|it| wanted(it)).nth(times - 1);
            exchange.cloned().ok_or_else(|| format!("not answered: {record:#?}"))
        })
        .await
    }
}
