//! Network policies: what they say of a connection, and why.
//!
//! [`plain`] reads like the specification and explains;
//! [`compiled`] gives the same decisions on the hot path.

pub mod agreement;
#[cfg(any(test, feature = "arbitrary"))]
pub mod arbitrary;
pub mod audit;
pub mod compiled;
mod explain;
pub mod history;
pub mod plain;
pub mod query;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use compiled::Compiled;
pub use history::History;
pub use plain::Plain;
