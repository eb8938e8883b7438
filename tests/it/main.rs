//! The tests of the whole: a module for each thing that is promised, and what they share in `support`.
//!
//! `cargo test` runs those that need nothing but Rust. The others are ignored, each with the reason, and
//! `make test` runs them.

mod behaviour;
mod browser;
mod cost;
mod events;
mod local;
mod program;
mod properties;
mod support;
