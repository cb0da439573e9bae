//! The kinds that the fake serves.

/// A kind, as CustomResourceDefinitions name theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub kind: String,
    pub namespaced: bool,
}

impl Kind {
    /// `kind` in `group/version`, or `version` for the core group.
    #[must_use]
    pub fn new(api_version: &str, plural: &str, kind: &str, namespaced: bool) -> Self {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced,
        }
    }

    /// `group/version`.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// Returns the kinds that the agent reads in a cluster without CRDs.
pub(super) fn built_in() -> Vec<Kind> {
    [
        ("v1", "pods", "Pod", true),
        ("v1", "namespaces", "Namespace", false),
        ("v1", "services", "Service", true),
        ("v1", "nodes", "Node", false),
        ("v1", "endpoints", "Endpoints", true),
        ("v1", "events", "Event", true),
        ("apps/v1", "replicasets", "ReplicaSet", true),
        ("batch/v1", "jobs", "Job", true),
        ("discovery.k8s.io/v1", "endpointslices", "EndpointSlice", true),
        ("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", true),
        ("coordination.k8s.io/v1", "leases", "Lease", true),
    ]
    .map(|(api_version, plural, kind, namespaced)| Kind::new(api_version, plural, kind, namespaced))
    .to_vec()
}
