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
    #[error("`{name}` is no DNS name of the cluster: {why}; write NAMESPACE/NAME, or ask by address")]
    NoHost { name: String, why: String },
    #[error("Service {0} is an alias that leads back to itself")]
    AliasLoop(String),
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

impl QueryError {
    /// Is true where the object exists, and only its port is not clear.
    pub(super) fn is_about_ports(&self) -> bool {
        matches!(self, Self::NotOfService { .. } | Self::NotOfPod { .. } | Self::NoPort(_) | Self::NoNames(_))
    }
}
