//! The tests of the whole function. `support` holds what the modules share.
//!
//! `cargo test` runs the tests that need only Rust. The others are ignored, each with its reason, and
//! `make test` runs them.

mod browser;
mod cost;
mod front_doors;
mod local;
mod program;
mod properties;
mod requests;
mod support;
