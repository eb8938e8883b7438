//! A page visit counter that runs as a serverless function: the number lives in a cookie in the
//! visitor's own browser.
//!
//! An event from a front door (a Function URL, API Gateway, a load balancer, VPC Lattice) becomes a
//! request in [`function`], and [`respond()`] decides the answer, without waiting and without errors:
//!
//! 1. the path, without its API Gateway stage, names the page, one of its buttons, or nothing (`route`);
//! 2. a request for something that nobody sees is refused and does not count (`fetch_metadata`), and so is a
//!    script on a site that the owner has not listed (`embedding`);
//! 3. [`count_cookie::read`] finds the [`VisitCount`] among the browser's cookies, and one is added;
//! 4. [`count_cookie::set`] asks the browser to keep it for a [`CookieLifetime`];
//! 5. `Representation::negotiate` chooses HTML, JSON or text, [`page`] renders the HTML, and
//!    `compression` compresses it for clients that accept gzip;
//! 6. every answer gets the same security headers (`security_headers`), and each visit a line in the
//!    [`log`].
//!
//! The owner's choices are the [`Settings`].

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod count_cookie;
pub mod function;
pub mod log;
pub mod page;

mod compression;
mod cookie_lifetime;
mod embedding;
mod event;
mod fetch_metadata;
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
