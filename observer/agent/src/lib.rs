//! Flow Observer's agent. `core` is pure; everything else is an edge. See ARCHITECTURE.md.

pub mod app;
pub mod checks;
pub mod commands;
pub mod http;
pub mod kube;
pub mod memory;
pub mod netlink;
pub mod probes;
pub mod sink;
