//! A function that answers with a greeting. [`respond`] decides the answer; `main.rs` connects it to AWS Lambda.

use std::{env, panic};

use lambda_http::{
    Body, Request, Response,
    http::{HeaderValue, StatusCode, header},
};
use tracing_subscriber::filter::LevelFilter;

/// The owner's choices, from the environment variables that `template.yaml` sets.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    greeting: String,
}

impl Settings {
    /// Reads `GREETING`, which is `Hello` if it is not set.
    ///
    /// # Errors
    ///
    /// If it is blank or too long. The program then logs this error and ends.
    pub fn from_env() -> Result<Self, String> {
        let greeting = env::var_os("GREETING").unwrap_or_else(|| "Hello".into());
        Self::new(greeting.to_string_lossy())
    }

    fn new(greeting: impl Into<String>) -> Result<Self, String> {
        let greeting = greeting.into();
        if greeting.trim().is_empty() || greeting.chars().nth(100).is_some() {
            return Err(format!(
                "GREETING must be a text of 1 to 100 characters, but it is {greeting:?}"
            ));
        }
        Ok(Self { greeting })
    }
}

/// Answers a request, and logs a line about it.
//
// Synchronous and without errors, so that its tests need no runtime, no mock and no AWS. The log has the
// path, but not the query, which may contain personal data.
#[must_use]
pub fn respond(request: &Request, settings: &Settings) -> Response<Body> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    // Still percent-encoded, as the client sent them.
    let segments: Vec<_> = path.split('/').skip(1).collect();
    let response = match (method, &*segments) {
        // A HEAD request gets the same answer; the Function URL removes the body.
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

/// `allowed` lists the methods that this address accepts.
fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let explanation = format!("This address only accepts {allowed}.");
    let mut response = answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, explanation);
    let allowed = HeaderValue::from_static(allowed);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

/// Starts to log to the standard output: a line of JSON for each event, including panics. Lambda sets
/// `AWS_LAMBDA_LOG_LEVEL` from `template.yaml`.
///
/// # Panics
///
/// If it is called twice.
pub fn start_log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").map_or(Ok(LevelFilter::INFO), |it| it.parse());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // Keep only lambda_http's own span, which has the request's id.
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
    fn refuses_a_greeting_that_is_blank_or_too_long() {
        for greeting in ["", "  ", &"o".repeat(101)] {
            let refusal = Settings::new(greeting).unwrap_err();
            assert!(refusal.starts_with("GREETING must be"), "{refusal}");
        }
        assert!(Settings::new("ö".repeat(100)).is_ok());
    }
}
