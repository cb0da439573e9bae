//! Flow Observer's agent and its commands. The crates below it are pure; this one does all I/O. See ARCHITECTURE.md.

pub mod app;
pub(crate) mod causes;
pub mod checks;
pub mod client;
pub mod commands;
pub mod config;
pub(crate) mod default_address;
pub(crate) mod duration;
pub(crate) mod filter;
pub mod http;
pub mod kube;
pub mod memory;
pub mod netlink;
pub mod otlp;
pub(crate) mod page;
pub mod probes;
mod sealed;
pub mod sink;
pub mod state;
pub mod tasks;
