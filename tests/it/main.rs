//! The tests of the whole function. `support` holds what the modules share.
//!
//! `cargo test` runs the tests that need only Rust. The others are ignored, each with its reason, and
//! `make test` runs them.

mod behaviour;
mod browser;
mod cost;
mod events;
mod local;
mod program;
mod properties;
mod support;
