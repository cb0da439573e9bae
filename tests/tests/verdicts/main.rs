//! Policies for real connections, the kernel's behaviour, and the agent's conclusions from both.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod accept_queue;
mod balanced;
mod commands;
mod denied;
mod enforcer_log;
mod filters;
mod floods;
mod kept;
mod lag;
mod latent;
mod mismatch;
mod platform;
mod refused;
mod scans;
mod sight;
mod story;
mod table_full;
mod unwitnessed;
