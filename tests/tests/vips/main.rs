//! VIPs that move between real nodes, the effect on connections, and the agents' records and findings.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod bridged;
mod causes;
mod keepalived;
mod loose;
mod moves;
mod quiet;
mod refusal;
mod stage;
mod status;
mod strangers;
