//! VIPs that move between real nodes, what that does to connections, and what the agents make of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod causes;
mod keepalived;
mod loose;
mod moves;
mod quiet;
mod refusal;
mod stage;
mod status;
