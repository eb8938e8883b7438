//! The web of the browser tests: a proxy that connects every site of the tests to one server. Like a deployed
//! counter, the sites use TLS.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::to_bytes,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use reqwest::{Client, redirect};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    server::TlsStream,
};

const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];

/// A request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) host: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The request's `Origin`.
    pub(crate) origin: Option<String>,
    /// The request's `Sec-Purpose`.
    pub(crate) purpose: Option<String>,
    pub(crate) status: StatusCode,
    /// The answer's `Content-Encoding`.
    pub(crate) encoding: Option<String>,
}

/// The proxy, and the server behind it.
pub(crate) struct Web {
    pub(crate) proxy: SocketAddr,
    counter: SocketAddr,
    client: Client,
    /// The tests' own pages, by host and path.
    pages: Mutex<HashMap<String, String>>,
    record: Mutex<Vec<Exchange>>,
    sites: AtomicUsize,
}

impl Web {
    /// Serves the tests' own pages, and forwards everything else to the counter.
    pub(crate) fn start(counter: SocketAddr, runtime: &Runtime) -> Arc<Self> {
        let client = Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let web = Arc::new(Self {
            proxy: listener.local_addr().unwrap(),
            counter,
            client,
            pages: Mutex::default(),
            record: Mutex::default(),
            sites: AtomicUsize::new(1),
        });
        let server = Arc::clone(&web);
        let answer = move |request| Arc::clone(&server).answer(request);
        let service = TowerToHyperService::new(Router::new().fallback(answer));
        let tls = tls();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, service) = (tls.clone(), service.clone());
                tokio::spawn(async move {
                    // Ignore errors: a browser may break off, or call hosts of its maker.
                    let stream = TokioIo::new(connect(stream, &tls).await.ok()?);
                    let server = http1::Builder::new();
                    server.serve_connection(stream, service).await.ok()
                });
            }
        });
        web
    }

    /// A counter with its own name, and so with its own cookies and its own record.
    pub(crate) fn counter(self: &Arc<Self>) -> Site {
        let number = self.sites.fetch_add(1, Ordering::Relaxed);
        self.site(&format!("visits{number}.example.com"))
    }

    /// The site of this name.
    pub(crate) fn site(self: &Arc<Self>, host: &str) -> Site {
        Site { host: host.to_owned(), web: Arc::clone(self) }
    }

    async fn answer(self: Arc<Self>, request: Request) -> Response {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let host = text(&request.headers()[header::HOST]);
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let [origin, purpose] = ["origin", "sec-purpose"].map(|name| request.headers().get(name).map(text));
        let page = self.pages.lock().unwrap().get(&format!("{host}{path}")).cloned();
        let response = match page {
            Some(html) => Html(html).into_response(),
            None => self.forward(request).await,
        };
        self.record.lock().unwrap().push(Exchange {
            host,
            method,
            path,
            origin,
            purpose,
            status: response.status(),
            encoding: response.headers().get(header::CONTENT_ENCODING).map(text),
        });
        response
    }

    /// Forwards a request to the counter with all its headers, and with the scheme in the Function URL's header.
    async fn forward(&self, request: Request) -> Response {
        let (mut request, body) = request.into_parts();
        let https = HeaderValue::from_static("https");
        request.headers.insert("x-forwarded-proto", https);
        let answer = self
            .client
            .request(request.method, format!("http://{}{}", self.counter, request.uri))
            .headers(request.headers)
            .body(to_bytes(body, 1024).await.unwrap())
            .send()
            .await
            .unwrap();
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        // This header belongs to the connection, not to the answer.
        headers.remove(header::TRANSFER_ENCODING);
        (status, headers, answer.bytes().await.unwrap()).into_response()
    }
}

/// A host of the web.
pub(crate) struct Site {
    pub(crate) host: String,
    web: Arc<Web>,
}

impl Site {
    /// The address of a page by its path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// Serves a page at this path instead of the counter's answer, and returns its address.
    pub(crate) fn serve(&self, path: &str, html: &str) -> String {
        let mut pages = self.web.pages.lock().unwrap();
        pages.insert(format!("{}{path}", self.host), html.to_owned());
        self.url(path)
    }

    /// Everything that the site has answered so far.
    pub(crate) fn record(&self) -> Vec<Exchange> {
        let record = self.web.record.lock().unwrap();
        let record = record.iter().filter(|it| it.host == self.host);
        record.cloned().collect()
    }

    /// Waits until the site has answered this many wanted requests, and returns the last.
    pub(crate) async fn recorded(&self, times: usize, wanted: impl Fn(&Exchange) -> bool) -> Exchange {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let record = self.record();
            if let Some(exchange) = record.iter().filter(|it| wanted(it)).nth(times - 1) {
                return exchange.clone();
            }
            assert!(Instant::now() < deadline, "not answered: {record:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Answers `CONNECT`, and then acts as the requested server
/// ([RFC 9110, section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
async fn connect(mut stream: TcpStream, tls: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request);
    let host = request.strip_prefix("CONNECT ").and_then(|rest| rest.split_once(":443 ")).map_or("", |(host, _)| host);
    if !DOMAINS.iter().any(|domain| host.ends_with(domain)) {
        let refusal = b"HTTP/1.1 502 Bad Gateway\r\n\r\n";
        stream.write_all(refusal).await?;
        return Err(io::ErrorKind::HostUnreachable.into());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tls.accept(stream).await
}

/// Uses a self-signed certificate, which the browsers are set to accept.
fn tls() -> TlsAcceptor {
    let names = DOMAINS.map(|it| format!("*.{it}"));
    let certified = rcgen::generate_simple_self_signed(names).unwrap();
    let key = PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.into()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
