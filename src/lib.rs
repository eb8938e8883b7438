//! A page visit counter that runs as a serverless function: the number lives in a cookie in the
//! visitor's own browser.
//!
//! An event of a front door (a Function URL, API Gateway, a load balancer, VPC Lattice) becomes a
//! request in [`function`]; [`respond()`] decides the answer, without waiting and without fail:
//!
//! 1. the path, without its API Gateway stage, names the page, the reset, the deletion of the cookie,
//!    or nothing (`route`);
//! 2. a load that nobody sees is refused, so that it does not count (`fetch_metadata`), and so is a
//!    script of a site that the owner has not listed (`embedding`);
//! 3. [`count_cookie::read`] finds the [`VisitCount`] among the browser's cookies, and one is added;
//! 4. [`count_cookie::set`] has the browser keep it, for its [`CookieLifetime`];
//! 5. `Representation::negotiate` chooses HTML, JSON or text, [`page`] renders the HTML, and
//!    `compression` makes it smaller for those who can read it so;
//! 6. every answer leaves with the same security headers (`security_headers`), and a visit with a
//!    line in the [`log`].
//!
//! What the owner can change about it are the [`Settings`].

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

pub use cookie_lifetime::{CookieLifetime, CookieLifetimeError};
pub use embedding::{EmbedOriginError, EmbedOrigins};
pub use event::Event;
pub use respond::respond;
pub use settings::Settings;
pub use visit_count::{ParseVisitCountError, VisitCount};
