//! Flow Observer's agent. `core` is pure; everything else is an edge. See ARCHITECTURE.md.

pub mod app;
pub mod checks;
pub mod cluster;
pub mod commands;
pub mod core;
pub mod http;
pub mod netlink;
pub mod probes;
pub mod sink;
