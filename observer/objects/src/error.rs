//! Errors that keep a source from starting.

use std::io;
use std::path::PathBuf;

/// The reason why a source can't start. What fails later is logged and counted instead.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The path is neither a directory nor a file.
    #[error(
        "{} does not exist; fill it with e.g. `kubectl get ns,nodes,pods,rs,jobs,svc,endpointslices,netpol -A -o yaml > {}/cluster.yaml`",
        path.display(), path.display()
    )]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
    /// The path exists, but may not be read.
    #[error("{} can't be read: {source}; the agent's user needs read permission on it", path.display())]
    Unreadable {
        /// The path as given.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}
