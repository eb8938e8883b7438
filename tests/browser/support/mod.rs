//! What both modules use.

pub(crate) mod browsers;
pub(crate) mod server_process;
pub(crate) mod watch;
pub(crate) mod web;

/// The project's folder. Cargo runs the tests in their own.
pub(crate) const ROOT: &str = "../..";
