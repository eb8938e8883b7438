//! A function that greets.

pub mod function;
pub mod log;

mod event;
mod respond;

pub use event::Event;
pub use respond::{Settings, respond};
