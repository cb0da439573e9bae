//! Network policies: what they say of a connection, and why.
//!
//! [`model`] is what was written, [`verdict`] what is answered. [`plain`] reads like the specification and explains;
//! [`compiled`] gives the same decisions on the hot path.

pub mod connection;
pub mod model;
pub mod verdict;

pub use connection::{Connection, Party, Who};
pub use verdict::{Decision, Direction, DirectionVerdict, Nearest, Ruling, Verdict};
