//! Plain values that the parts of Flow Observer exchange, and how they look in JSON.
//!
//! There is no logic here beyond constructors, comparisons and formatting. Every other crate may use this one, and this
//! one uses none of them.

pub mod agent_info;
pub mod baseline;
pub mod blind_spot;
pub mod connection;
pub mod decision;
pub mod finding;
pub mod flow;
pub mod input;
pub mod inventory;
pub mod mac;
pub mod names;
pub mod network;
pub mod object_ref;
pub mod output;
pub mod policies;
pub mod record;
pub mod rule_ref;
pub mod selector;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vip;
