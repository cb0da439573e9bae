//! Evaluators of network policies: what they decide about a connection, and why.
//!
//! [`plain`] reads like the specification. `explain` adds the reasons to its decisions. [`compiled`] makes the same
//! decisions on the hot path. Modules use each other in this order only, from the ground up: `readings`, `plain` and
//! `compiled`, `explain`, `history`, `query` and `audit`.

pub mod agreement;
#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod audit;
pub mod compiled;
mod explain;
pub mod history;
pub mod plain;
pub mod query;
mod readings;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use compiled::Compiled;
pub use history::History;
pub use plain::Plain;
