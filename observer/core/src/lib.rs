//! The engine and its detectors: no I/O, no clock, no async. Inputs carry their time, and effects leave as values.

mod agreement;
mod awaiting_drop;
mod awaiting_name;
pub mod blind_spots;
pub mod bursts;
pub mod connections;
pub mod detected;
pub mod enforcement;
mod enforcer_log;
pub mod engine;
pub mod facts;
pub mod findings;
pub mod floods;
mod growing;
mod held;
mod judge;
mod reached;
pub mod recording;
pub mod scans;
mod signal;
pub mod subject;
mod table_full;
mod unfollowed;
pub mod vips;
