//! The manifests in `deploy/`: rendered as users do, and applied to a real API server.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod chart;
mod render;
mod server;
