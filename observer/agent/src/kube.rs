//! Kubernetes: the sources of the cluster's objects, the Events that are written, and the connections to other nodes'
//! agents.

pub mod access;
pub mod agents;
pub mod api;
pub mod directory;
pub mod events;
pub mod server;
mod words;
