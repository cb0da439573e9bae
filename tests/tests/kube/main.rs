//! A real API server, the proxy in front of it, and the agent that reads it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod access;
mod contract;
mod faults;
mod foreign;
mod later;
mod names;
mod nodes;
mod odd;
mod outage;
mod proxy;
mod rights;
mod rotation;
mod scene;
mod server;
mod snapshot;
mod stage;
mod story;
