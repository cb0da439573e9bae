//! The columns of the table of kinds.

/// Everything that is the same for all objects of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// Files may have the same objects in these groups, too.
    pub other_groups: &'static [&'static str],
    /// The versions that are understood.
    pub versions: Versions,
    /// The resource's name in paths and in permissions.
    pub plural: &'static str,
    /// The scope, which is where its objects are.
    pub scope: Scope,
    /// The presence, which is whether a server must have it.
    pub presence: Presence,
    /// The part of each object that is asked for.
    pub content: Content,
    /// A field selector: the server leaves out all other objects.
    pub field_selector: Option<&'static str>,
    /// The purpose for which the kind is read.
    pub purpose: Purpose,
}

/// The versions of a kind that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// This one only: the same fields may mean something else in another version.
    Only(&'static str),
    /// This one is asked for. Files may have others, which differ in nothing that is read.
    AnyLike(&'static str),
}

/// The place of a kind's objects: in namespaces, or in the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each object is in a namespace.
    Namespaced,
    /// Objects belong to the whole cluster.
    Cluster,
}

/// Defines whether a server must have a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Every server has it, so an error is reported until it can be read.
    Required,
    /// Its definition may be missing, which is no error.
    Optional,
}

/// The part of an object that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// All of it.
    Whole,
    /// Only `metadata`, which names the controller.
    Metadata,
}

/// The purpose for which a kind is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Names of addresses, and what Services lead to.
    Addresses,
    /// The workload that a pod belongs to.
    Workloads,
    /// Verdicts. Without such a kind no verdict that may depend on it is certain.
    Policies,
    /// The node that announces a load-balancer address.
    Announcements,
}

impl Row {
    /// Is true when objects of this group are of this kind.
    #[must_use]
    pub fn is_in_group(&self, group: &str) -> bool {
        self.group == group || self.other_groups.contains(&group)
    }
}

impl Versions {
    /// Returns the version that is asked for.
    #[must_use]
    pub fn preferred(self) -> &'static str {
        match self {
            Self::Only(version) | Self::AnyLike(version) => version,
        }
    }

    /// Is true when no other version is understood.
    #[must_use]
    pub fn is_strict(self) -> bool {
        matches!(self, Self::Only(_))
    }
}
