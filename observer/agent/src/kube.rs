//! Kubernetes: where the cluster's objects come from, what is written back, and how other nodes' agents are reached.

pub mod access;
pub mod agents;
pub mod api;
pub mod directory;
pub mod events;
pub mod server;
