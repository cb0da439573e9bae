//! The pure core: no I/O, no clock, no async. Inputs carry time, outputs are values.

pub mod audit;
pub mod baseline;
pub mod bursts;
pub mod connections;
pub mod engine;
pub mod facts;
pub mod finding;
pub mod findings;
mod held;
pub mod identity;
pub mod input;
pub mod inventory;
mod judge;
pub mod mac;
pub mod output;
pub mod policy;
pub mod record;
pub mod recording;
mod signal;
mod strangers;
pub mod vips;
