//! What the policies say of real connections, what the kernel does with them, and what the agent makes of both.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod commands;
mod denied;
mod latent;
mod mismatch;
mod platform;
mod refused;
mod story;
