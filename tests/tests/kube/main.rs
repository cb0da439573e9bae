//! API servers, real and fake, what stands between, and the agent that reads them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod contract;
mod proxy;
mod server;
mod stage;
