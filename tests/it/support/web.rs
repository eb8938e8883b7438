//! The web of the browser tests: a proxy that leads the sites of the tests to one server, over TLS,
//! as the front door of a deployed counter would be reached.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
    serve::Listener,
};
use reqwest::{Client, redirect};
use tokio::{
    io::{self, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::{mpsc, watch},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
    server::TlsStream,
};

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) host: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The request's `Sec-Purpose`.
    pub(crate) purpose: Option<String>,
    pub(crate) status: StatusCode,
    /// The answer's `Content-Encoding`.
    pub(crate) encoding: Option<String>,
}

struct Shared {
    counter: SocketAddr,
    client: Client,
    /// By host and path.
    pages: Mutex<HashMap<String, String>>,
    record: watch::Sender<Vec<Exchange>>,
}

/// The proxy, and the server behind it.
pub(crate) struct Web {
    proxy: SocketAddr,
    shared: Arc<Shared>,
    sites: AtomicUsize,
}

impl Web {
    /// Serves the pages that the tests put there, and everything else as the counter does.
    pub(crate) fn start(counter: SocketAddr, runtime: &Runtime) -> Self {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            counter,
            client,
            pages: Mutex::default(),
            record: watch::Sender::default(),
        });
        let routes = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let proxy = listener.local_addr().unwrap();
        runtime.spawn(async move {
            let tunnels = Tunnels::listen(TcpListener::from_std(listener).unwrap());
            axum::serve(tunnels, routes).await.unwrap();
        });
        Self {
            proxy,
            shared,
            sites: AtomicUsize::new(1),
        }
    }

    /// Where browsers find the proxy.
    pub(crate) fn proxy(&self) -> SocketAddr {
        self.proxy
    }

    /// A counter with a name of its own, whose cookies and requests are apart from those of all others.
    pub(crate) fn counter(&'static self) -> Site {
        let number = self.sites.fetch_add(1, Ordering::Relaxed);
        self.site(&format!("visits{number}.example.com"))
    }

    /// The site of this name.
    pub(crate) fn site(&'static self, host: &str) -> Site {
        Site {
            host: host.to_owned(),
            web: self,
        }
    }
}

/// A host of the web.
pub(crate) struct Site {
    host: String,
    web: &'static Web,
}

impl Site {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The address of a page by its path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.host)
    }

    /// Serves a page at this path instead of the counter's answer, and gives its address.
    pub(crate) fn serve(&self, path: &str, html: &str) -> String {
        let mut pages = self.web.shared.pages.lock().unwrap();
        pages.insert(format!("{}{path}", self.host), html.to_owned());
        self.url(path)
    }

    /// All that it has answered so far.
    pub(crate) fn record(&self) -> Vec<Exchange> {
        let record = self.web.shared.record.borrow();
        let record = record.iter().filter(|it| it.host == self.host);
        record.cloned().collect()
    }

    /// Waits until it has answered such a request.
    pub(crate) async fn recorded(&self, wanted: impl Fn(&Exchange) -> bool) -> Exchange {
        let wanted = |it: &&Exchange| it.host == self.host && wanted(it);
        let mut record = self.web.shared.record.subscribe();
        let found = record.wait_for(|record| record.iter().any(|it| wanted(&it)));
        let Ok(record) = tokio::time::timeout(Duration::from_secs(10), found).await else {
            panic!("no such request within 10 s: {:#?}", self.record())
        };
        let record = record.expect("the web keeps its record");
        record.iter().find(wanted).unwrap().clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    let host = text(&request.headers()[header::HOST]);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let purpose = request.headers().get("sec-purpose").map(text);
    let page = {
        let pages = shared.pages.lock().unwrap();
        pages.get(&format!("{host}{path}")).cloned()
    };
    let response = match page {
        Some(html) => Html(html).into_response(),
        None => forward(&shared, request).await,
    };
    let exchange = Exchange {
        host,
        method,
        path,
        purpose,
        status: response.status(),
        encoding: response.headers().get(header::CONTENT_ENCODING).map(text),
    };
    shared.record.send_modify(|record| record.push(exchange));
    response
}

/// Asks the counter, with every header as it came, and with the scheme as a Function URL says it.
async fn forward(shared: &Shared, request: Request) -> Response {
    let (mut request, body) = request.into_parts();
    let https = HeaderValue::from_static("https");
    request.headers.insert("x-forwarded-proto", https);
    let url = format!("http://{}{}", shared.counter, request.uri);
    let answer = shared
        .client
        .request(request.method, url)
        .headers(request.headers)
        .body(axum::body::to_bytes(body, 1024).await.unwrap())
        .send()
        .await
        .unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = (status, answer.bytes().await.unwrap()).into_response();
    *response.headers_mut() = headers;
    // Of the connection, not of the answer.
    response.headers_mut().remove(header::TRANSFER_ENCODING);
    response
}

/// The connections that browsers make through the proxy to the sites of the tests.
struct Tunnels {
    address: SocketAddr,
    streams: mpsc::Receiver<TlsStream<TcpStream>>,
}

impl Tunnels {
    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let tls = tls();
        let (sender, streams) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (tls, sender) = (tls.clone(), sender.clone());
                tokio::spawn(async move {
                    // A browser may break off, and asks its maker's hosts for this and that.
                    if let Ok(stream) = connect(stream, &tls).await {
                        sender.send(stream).await.ok();
                    }
                });
            }
        });
        Self { address, streams }
    }
}

impl Listener for Tunnels {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let stream = self.streams.recv().await;
        (stream.expect("the proxy goes on"), self.address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}

/// Answers `CONNECT`, and is itself the server that was asked for
/// ([RFC 9110, section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).
async fn connect(mut stream: TcpStream, tls: &TlsAcceptor) -> io::Result<TlsStream<TcpStream>> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request);
    let site = request
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split_once(":443 "))
        .filter(|(host, _)| {
            ["example.com", "example.net", "example.org"]
                .iter()
                .any(|domain| host.ends_with(domain))
        });
    if site.is_none() {
        stream
            .write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            .await?;
        return Err(io::ErrorKind::HostUnreachable.into());
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
    tls.accept(stream).await
}

/// With a certificate that nobody vouches for: the browsers are told to accept it.
fn tls() -> TlsAcceptor {
    let names = ["example.com", "example.net", "example.org"].map(|it| format!("*.{it}"));
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
