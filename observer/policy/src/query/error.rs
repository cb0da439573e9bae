//! The reasons why a question can't be answered.

use arcstr::ArcStr;

/// Explains why a question has no answer, in one sentence with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    #[error("{what} {namespace}/{name} does not exist; {hint}")]
    Missing {
        /// The kind that was looked for: `pod`, `Service`.
        what: &'static str,
        namespace: ArcStr,
        name: ArcStr,
        /// The objects that exist instead.
        hint: String,
    },
    #[error("pod {0} has finished: it owns no address, opens no connection and takes none")]
    Finished(String),
    #[error("Service {0} has no pod behind it that could open a connection")]
    NoPodBehind(String),
    #[error("Service {service} has no port {port}; it has {has}")]
    NotOfService { service: String, port: String, has: String },
    #[error("pod {pod} has no container port named {port}; it has {has}")]
    NotOfPod { pod: String, port: String, has: String },
    #[error("{what} has {has}; give the port that you mean")]
    WhichPort { what: String, has: String },
    #[error("{0} has no names for its ports; give a number")]
    NoNames(String),
    #[error("give a port: that of {0} is not known")]
    NoPort(String),
}
