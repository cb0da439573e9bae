//! Load-balancer addresses: who announces them, on the wire and by the API.

pub mod model;

pub use model::{ApiClaim, Claim, ClaimSource, Vip};
