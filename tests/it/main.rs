//! The tests of the whole function.
//!
//! - `requests`: what the counter promises, as requests and their answers. Start here.
//! - `front_doors`: the samples in `events/`, and what each front door does in its own way.
//! - `properties`: what is true of any request.
//! - `program`: the built program behind a Lambda Runtime API: faults, log, settings, many visits.
//! - `cost`: what a visit costs.
//! - `request` (with its events), `answer` (with its checks) and `function` (a program behind a Runtime API) are shared
//!   by the others.
//!
//! `cargo test` runs the tests that need only Rust. The others are ignored, each with its reason, and `make test`
//! runs them. Browsers are in `tests/browser`, and the deployment is in `tests/deploy`.

mod answer;
mod cost;
mod front_doors;
mod function;
mod program;
mod properties;
mod request;
mod requests;
