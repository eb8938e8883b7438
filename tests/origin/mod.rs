//! An origin that serves pages of the tests beside the counter's, and keeps a record.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use reqwest::{Client, redirect};
use tokio::{net::TcpListener, sync::watch};

/// A request and its answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The request's `Sec-Purpose`.
    pub(crate) purpose: Option<String>,
    pub(crate) status: StatusCode,
}

struct Shared {
    counter: SocketAddr,
    client: Client,
    pages: Vec<(&'static str, String)>,
    record: watch::Sender<Vec<Exchange>>,
}

/// The origin. It runs on the tokio runtime that started it.
pub(crate) struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Origin {
    /// Serves `pages` by their paths, and everything else as the counter does.
    pub(crate) async fn start(counter: SocketAddr, pages: Vec<(&'static str, String)>) -> Self {
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            counter,
            client,
            pages,
            record: watch::Sender::default(),
        });
        let routes = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { address, shared }
    }

    /// The address of a page by its path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The same page on another site: cookies and `SameSite` know sites by their hosts.
    pub(crate) fn url_on_another_site(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// All that it has answered so far.
    pub(crate) fn record(&self) -> Vec<Exchange> {
        self.shared.record.borrow().clone()
    }

    /// Waits until it has answered such a request.
    #[track_caller]
    pub(crate) fn recorded(
        &self,
        wanted: impl Fn(&Exchange) -> bool,
    ) -> impl Future<Output = Exchange> {
        let mut record = self.shared.record.subscribe();
        async move {
            let found = record.wait_for(|record| record.iter().any(&wanted));
            let Ok(record) = tokio::time::timeout(Duration::from_secs(10), found).await else {
                panic!("no such request within 10 s: {:#?}", self.record())
            };
            let record = record.expect("the origin keeps its record");
            record.iter().find(|it| wanted(it)).unwrap().clone()
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let purpose = request.headers().get("sec-purpose");
    let purpose = purpose.map(|purpose| purpose.to_str().unwrap().to_owned());
    let response = match shared.pages.iter().find(|(page, _)| *page == path) {
        Some((_, html)) => Html(html.clone()).into_response(),
        None => forward(&shared, request).await,
    };
    let exchange = Exchange {
        method,
        path,
        purpose,
        status: response.status(),
    };
    shared.record.send_modify(|record| record.push(exchange));
    response
}

/// Asks the counter, with every header as it came.
async fn forward(shared: &Shared, request: Request) -> Response {
    let (request, body) = request.into_parts();
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
