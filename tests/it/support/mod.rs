//! Helpers that several modules use.

pub(crate) mod answer;
pub(crate) mod runtime_api;
