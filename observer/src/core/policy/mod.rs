//! Network policies: what they say of a connection, and why.
//!
//! [`model`] is what was written, [`verdict`] what is answered. [`plain`] reads like the specification and explains;
//! [`compiled`] gives the same decisions on the hot path.

#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod compiled;
pub mod connection;
mod explain;
pub mod history;
pub mod model;
pub mod plain;
pub mod query;
pub mod selector;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod verdict;

pub use compiled::Compiled;
pub use connection::{Connection, Party, Who};
pub use history::History;
pub use plain::Plain;
pub use verdict::{Decision, Direction, DirectionVerdict, Nearest, Ruling, Verdict};
