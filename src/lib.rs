//! A page visit counter that runs as a serverless function: the number lives in a cookie in the
//! visitor's own browser.
//!
//! [`function`] turns an event from a front door (a Function URL, API Gateway, a load balancer, VPC Lattice)
//! into a request, and [`respond()`] decides the answer, synchronously and without errors:
//!
//! 1. `route` finds out from the path, without its API Gateway stage, whether the request is for the page,
//!    one of its buttons, or nothing.
//! 2. `fetch_metadata` refuses a request whose answer nobody would see, and `embedding` refuses a script on a
//!    site that the owner has not listed. Neither counts.
//! 3. `count_cookie::read` finds the [`VisitCount`] among the browser's cookies, and the visit adds one.
//! 4. `count_cookie::set` asks the browser to keep the new count for a [`CookieLifetime`].
//! 5. `Representation::negotiate` chooses HTML, JSON or text. `page` renders the HTML, and `compression`
//!    compresses it for clients that accept gzip.
//! 6. `security_headers` adds the same headers to every answer, and [`log`] writes a line for each visit.
//!
//! [`Settings`] holds the owner's choices.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod function;
pub mod log;

mod compression;
mod cookie_lifetime;
mod count_cookie;
mod embedding;
mod event;
mod fetch_metadata;
mod page;
mod representation;
mod respond;
mod route;
mod scheme;
mod security_headers;
mod settings;
mod visit_count;
mod weight;

pub use cookie_lifetime::{CookieLifetime, CookieLifetimeError};
pub use embedding::{EmbedOriginError, EmbedOrigins};
pub use event::Event;
pub use respond::respond;
pub use settings::Settings;
pub use visit_count::VisitCount;
