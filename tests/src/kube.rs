//! A real Kubernetes API server for the tests, and a proxy that breaks its answers.

mod account;
mod api;
mod kubeconfig;
mod kubectl;
mod mirror;
mod pki;
mod place;
mod process;
pub mod proxy;
mod runtime;
mod server;
mod store;

pub use account::Token;
pub use api::{NAMESPACE, RBAC};
pub use kubeconfig::{Kubeconfig, User};
pub use kubectl::{Kubectl, Watching};
pub use mirror::Mirror;
pub use place::Place;
pub use server::{ApiServer, program};
pub use store::Store;
