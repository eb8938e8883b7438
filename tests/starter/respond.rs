//! From a request to its answer.

use std::env;

use lambda_http::{Body, Request, Response};

/// What the owner decides, from the environment that `template.yaml` sets.
#[derive(Clone, Debug)]
pub struct Settings {
    greeting: String,
}

impl Settings {
    /// Reads `GREETING`.
    ///
    /// # Errors
    ///
    /// If it is set to nothing. The program then ends with this line in its log.
    pub fn from_env() -> Result<Self, &'static str> {
        let greeting = env::var("GREETING").unwrap_or_else(|_| "Hello".into());
        if greeting.is_empty() {
            return Err("GREETING is empty");
        }
        Ok(Self { greeting })
    }
}

/// Answers a request.
#[must_use]
pub fn respond(_: &Request, settings: &Settings) -> Response<Body> {
    Response::new(settings.greeting.as_str().into())
}
