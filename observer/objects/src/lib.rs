//! Where names come from: Kubernetes objects, turned into immutable [`Inventory`] snapshots.
//!
//! A source (a directory, or the API server) turns objects into [`Object`]s and hands them to an
//! [`Index`] by `apply`, `delete` and `reset`; the index publishes an inventory when it changed.
//! `k8s_openapi` types stay inside this module.

mod announcers;
mod convert;
pub mod directory;
mod document;
mod index;
mod list;
pub mod manifests;
mod names;
pub mod object;
pub mod plan;
mod policy;
mod problem;
pub mod proposal;
pub mod read;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use flow_model::inventory::Inventory;

pub use index::{Index, UNREADABLE};
pub use object::Object;
pub use problem::Problem;

/// What a directory gave.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Everything that could be read.
    pub inventory: Arc<Inventory>,
    /// What could not.
    pub problems: Vec<Problem>,
}

/// Why a source can't start. What goes wrong later is logged and counted instead.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// Neither a directory nor a file.
    #[error(
        "{} does not exist; fill it with e.g. `kubectl get ns,nodes,pods,rs,jobs,svc,endpointslices,netpol -A -o yaml > {}/cluster.yaml`",
        path.display(), path.display()
    )]
    Missing {
        /// As given.
        path: PathBuf,
    },
    /// It exists, but may not be read.
    #[error("{} can't be read: {source}; the agent's user needs read permission on it", path.display())]
    Unreadable {
        /// As given.
        path: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}
