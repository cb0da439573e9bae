//! Questions of people: may this reach that?
//!
//! Names, Services and addresses are resolved to the connections that they stand for. Those are judged one by one, and
//! the answer is what they have in common. Services are judged at their backends, as connections meet policies.

mod combine;
mod directory;
mod dns_name;
mod error;
mod explainer;
mod headless;
mod local_dns;
mod look_up;
mod names;
mod notes;
mod parse;
mod question;
mod route;
mod routes;
mod service;
mod side;
mod sources;
#[cfg(test)]
mod tests;
mod wire;

pub use error::QueryError;
pub use explainer::Explainer;
pub use parse::ParseError;
pub use question::{Answer, Port, Query, Target};
pub use wire::{MAX_LINE, Reply, reply};
