//! Questions of people: may this reach that?
//!
//! Names, Services and addresses are resolved to the connections that they stand for. Those are judged one by one, and
//! the answer is what they have in common. Services are judged at their backends, as connections meet policies.

mod combine;
mod directory;
mod error;
mod explainer;
mod names;
mod parse;
mod question;
mod route;
mod service;
mod side;
#[cfg(test)]
mod tests;
mod wire;

pub use error::QueryError;
pub use explainer::Explainer;
pub use parse::ParseError;
pub use question::{Answer, Port, Query, Target};
pub use wire::{MAX_LINE, Reply, reply};
