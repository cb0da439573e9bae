//! The way from a command to agents: connecting, asking one or all of them, following their streams, and printing.
//!
//! The modules, from the ground up, are: `connect` (TLS and token), `target` (one agent), `fleet` (which agents), then
//! `ask` (one question), `follow` (one stream) and `nodes` (all streams as one). `print` decides format and colour for
//! every command.

pub(crate) mod ask;
pub mod connect;
pub(crate) mod coverage;
pub(crate) mod error;
pub mod fleet;
pub(crate) mod follow;
pub(crate) mod joined_findings;
pub(crate) mod joined_vips;
mod merge;
pub(crate) mod nodes;
pub mod print;
pub(crate) mod query;
pub(crate) mod questions;
mod sse;
pub(crate) mod target;
mod union;
