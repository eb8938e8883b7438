//! A function that greets: [`respond`] decides the answer, and `main.rs` connects it to AWS Lambda.

use std::{env, panic};

use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use tracing_subscriber::filter::LevelFilter;

/// What the owner decides, from the environment that `template.yaml` sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    greeting: String,
}

impl Settings {
    /// Reads `GREETING`, which is `Hello` if it is not set.
    ///
    /// # Errors
    ///
    /// If it is blank or long. The program then ends with this sentence in its log.
    pub fn from_env() -> Result<Self, String> {
        let greeting = env::var_os("GREETING").unwrap_or_else(|| "Hello".into());
        Self::new(greeting.to_string_lossy())
    }

    fn new(greeting: impl Into<String>) -> Result<Self, String> {
        let greeting = greeting.into();
        if greeting.trim().is_empty() || greeting.chars().nth(100).is_some() {
            return Err(format!(
                "GREETING has to be a text of 1 to 100 characters, but it is {greeting:?}"
            ));
        }
        Ok(Self { greeting })
    }
}

/// Answers a request, and logs a line about it.
//
// Synchronous and without errors, so that its tests need no runtime, no mock and no AWS. The log has the
// path, but not the query, which can hold what is nobody's business.
#[must_use]
pub fn respond(request: &Request, settings: &Settings) -> Response<Body> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    // As they were sent, percent-encoded.
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let response = match (method, &*segments) {
        // A HEAD gets the same answer; what is in front of the function leaves the body out.
        ("GET" | "HEAD", [""]) => answer(StatusCode::OK, TEXT, &*settings.greeting),
        (_, [""]) => method_not_allowed("GET, HEAD"),
        _ => answer(StatusCode::NOT_FOUND, TEXT, "There is nothing here."),
    };
    tracing::info!(method, path, status = response.status().as_u16(), "request");
    response
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `allowed` are the methods that this address has.
fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let explanation = format!("This address can be asked with {allowed} only.");
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, explanation);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// Starts to log to the standard output, a line of JSON for each event, panics included. Lambda sets
/// `AWS_LAMBDA_LOG_LEVEL` as `template.yaml` says.
///
/// # Panics
///
/// If it is called a second time.
pub fn start_log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").map_or(Ok(LevelFilter::INFO), |it| it.parse());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // Of the spans only lambda_http's, which has the request's id.
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .init();
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(method: &str, address: &str) -> Response<Body> {
        let mut request = Request::default();
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = address.parse().unwrap();
        respond(&request, &Settings::new("Good day").unwrap())
    }

    #[test]
    fn greets() {
        for method in ["GET", "HEAD"] {
            let response = response(method, "https://example.com/?query");
            assert_eq!(response.status(), 200, "{method}");
            assert_eq!(response.body(), &Body::from("Good day"));
        }
    }

    #[test]
    fn has_nothing_at_other_addresses() {
        for path in ["/favicon.ico", "//", "/greeting/"] {
            assert_eq!(response("GET", path).status(), 404, "{path}");
        }
    }

    #[test]
    fn names_the_methods_it_allows() {
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let response = response(method, "/");
            assert_eq!(response.status(), 405, "{method}");
            assert_eq!(response.headers()["allow"], "GET, HEAD");
        }
    }

    #[test]
    fn refuses_a_greeting_that_is_none() {
        for greeting in ["", "  ", &"o".repeat(101)] {
            let refusal = Settings::new(greeting).unwrap_err();
            assert!(refusal.starts_with("GREETING has to be"), "{refusal}");
        }
        assert!(Settings::new("ö".repeat(100)).is_ok());
    }
}
