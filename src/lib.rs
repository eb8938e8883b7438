//! A page visit counter that runs as a serverless function: the number lives in a cookie in the
//! visitor's own browser.
//!
//! [`answer`] is the whole function, synchronous and without AWS. On the way from an event to its answer are:
//!
//! - `event`: reads the request that a front door delivers.
//! - `respond`: decides the answer, with the modules up to `security_headers`.
//! - `https`: whether the request arrived over HTTPS.
//! - `embedding`: whether it comes from a page of another site, and whether that may show the count.
//! - `route`: whether it is for the page, for one of the page's buttons, or for nothing.
//! - `fetch_metadata`: whether a person will see the answer. If not, the request does not count.
//! - `negotiation`: whether the client prefers HTML, JSON or text, and accepts gzip.
//! - `count_cookie` and `visit_count`: read the count in the browser's cookies, and set the next one.
//! - `page` and `compression`: render the HTML and compress it.
//! - `log`: writes a line for each visit.
//! - `security_headers`: adds the same headers to every answer.
//! - `answer`: writes the answer as the front door expects it.
//!
//! `settings` reads the configuration.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod log;

mod count_cookie;
mod embedding;
mod fetch_metadata;
mod front_door;
mod https;
mod negotiation;
mod page;
mod respond;
mod route;
mod security_headers;
mod settings;
mod visit_count;

use lambda_runtime::Diagnostic;

pub use front_door::{Answer, Event};
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
    let Event(Some((request, front_door))) = event else {
        tracing::error!("{NOT_AN_HTTP_REQUEST}");
        return Err(Diagnostic {
            error_type: "NotAnHttpRequest".to_owned(),
            error_message: NOT_AN_HTTP_REQUEST.to_owned(),
        });
    };
    Ok(Answer::new(respond(&request, settings), front_door))
}
