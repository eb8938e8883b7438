//! A page visit counter that runs as a serverless function: the number lives in a cookie in the
//! visitor's own browser.
//!
//! [`answer`] is the whole function, synchronous and without AWS. On the way from an event to its answer are:
//!
//! - `front_door`: reads the request in an event, and whether it arrived over HTTPS.
//! - `respond`: decides the answer. It asks the other modules, in this order:
//!   - `embedding`: whether a page of a listed site asks for the count.
//!   - `route`: whether the request is for the page, for one of the page's buttons, or for nothing.
//!   - `fetch_metadata`: whether a person will see the answer. If not, the request does not count.
//!   - `negotiation`: whether the client prefers HTML, JSON or text, and accepts gzip.
//!   - `count_cookie` and `visit_count`: read the count in the browser's cookies, and set the next one.
//!   - `page`: renders the HTML and compresses it.
//!   - `robots` and `log`: write a line for each visit, unless a robot says that it is one.
//!   - `security_headers`: adds the same headers to every answer.
//! - `front_door`: writes the answer as the front door expects it.
//!
//! `settings` reads the configuration.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod log;

mod count_cookie;
mod embedding;
mod fetch_metadata;
mod front_door;
mod negotiation;
mod page;
mod respond;
mod robots;
mod route;
mod security_headers;
mod settings;
mod visit_count;

use lambda_runtime::Diagnostic;

pub use front_door::{Answer, Event, FrontDoor};
pub use respond::respond;
pub use settings::Settings;

const NOT_AN_HTTP_REQUEST: &str = "This event is not an HTTP request from a Function URL, \
    API Gateway, an Application Load Balancer or VPC Lattice.";

/// Answers an event.
///
/// # Errors
///
/// If the event is not an HTTP request from a front door.
pub fn answer(event: Event, settings: &Settings) -> Result<Answer, Diagnostic> {
    let Event::Request(request, front_door) = event else {
        tracing::error!("{NOT_AN_HTTP_REQUEST}");
        return Err(Diagnostic {
            error_type: "NotAnHttpRequest".to_owned(),
            error_message: NOT_AN_HTTP_REQUEST.to_owned(),
        });
    };
    Ok(Answer::new(respond(&request, settings), front_door))
}
