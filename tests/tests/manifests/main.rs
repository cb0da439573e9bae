//! What `deploy/` says: rendered as users render it, and given to a real API server.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

mod render;
