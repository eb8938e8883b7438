//! Helpers that several modules use.

pub(crate) mod answer;
pub(crate) mod browsers;
pub(crate) mod runtime_api;
pub(crate) mod server_process;
pub(crate) mod watch;
pub(crate) mod web;
