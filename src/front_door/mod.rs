//! The front doors: how each delivers a request as an event, and the answer that it expects.

mod answer;
mod event;

pub use answer::Answer;
pub use event::Event;
pub(crate) use event::FrontDoor;
