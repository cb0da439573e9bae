//! Kubernetes API servers for the tests: a real one, a fake for features that the real one is too old for, and a proxy
//! that breaks the answers of either.

mod account;
mod api;
pub mod fake;
mod kubeconfig;
mod kubectl;
mod mirror;
mod pki;
mod place;
mod process;
pub mod proxy;
mod runtime;
mod server;
pub mod standing;

pub use account::Token;
pub use api::{Api, NAMESPACE, RBAC};
pub use kubeconfig::{Kubeconfig, User};
pub use kubectl::{Kubectl, Watching};
pub use mirror::Mirror;
pub use place::Place;
pub use server::ApiServer;
