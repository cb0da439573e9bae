//! The table of Kubernetes kinds whose content is read.
//!
//! The API source, directories, plans and the permissions in `deploy/base/rbac.yaml` all follow it. A kind that is not here
//! is counted, and nothing else is known about it.

mod row;
mod table;
#[cfg(test)]
mod tests;

use arcstr::ArcStr;
use serde_json::Value;
use strum::{EnumCount, EnumIter, EnumString, IntoStaticStr};

use crate::names::shared;
use crate::text::shown;

pub use row::{Content, Presence, Purpose, Row, Scope, Versions};

/// A kind whose content is read. The variants are in the order of their names, and so are lists by kind.
///
/// A new kind needs a variant here, a row in `kinds/table.rs`, a reader in `object.rs`, an arm in `policy/dialect.rs`, and
/// its permissions in `deploy/base/rbac.yaml` and `docs/PERMISSIONS.md`. The compiler asks for the first four, a test for
/// the rest.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    EnumCount,
    EnumIter,
    EnumString,
    IntoStaticStr,
    strum::Display
)]
#[expect(missing_docs, reason = "each variant is the name of its kind")]
pub enum Kind {
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    EndpointSlice,
    Event,
    Job,
    Lease,
    Namespace,
    NetworkPolicy,
    Node,
    Pod,
    ReplicaSet,
    Service,
    ServiceL2Status,
}

impl Kind {
    /// Returns the name as manifests write it. It is the `kind` label of metrics as well.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Returns `apiVersion` of the version that is asked for.
    #[must_use]
    pub fn api_version(self) -> String {
        let row = self.row();
        match row.group {
            "" => row.versions.preferred().to_owned(),
            group => format!("{group}/{}", row.versions.preferred()),
        }
    }

    /// Returns the kind of an object by the `kind` and the API group that it names. An object that names no group passes as
    /// the kind that its name suggests.
    #[must_use]
    pub fn of_object(name: &str, group: Option<&str>) -> Option<Self> {
        let kind: Self = name.parse().ok()?;
        group.is_none_or(|group| kind.row().is_in_group(group)).then_some(kind)
    }

    /// Checks the `apiVersion` of an object of a kind of which only one version is understood.
    ///
    /// # Errors
    /// Fails with a sentence that names the version that is understood.
    pub(crate) fn check_version(self, object: &Value) -> Result<(), String> {
        let understood = self.api_version();
        match object.get("apiVersion").and_then(Value::as_str) {
            _ if !self.row().versions.is_strict() => Ok(()),
            Some(version) if version == understood => Ok(()),
            Some(version) => {
                Err(format!("apiVersion: version {} is not known; {understood} is", shown(version)))
            }
            None => Err(format!("apiVersion: is missing; {understood} is known")),
        }
    }
}

impl From<Kind> for ArcStr {
    fn from(kind: Kind) -> Self {
        shared(kind.name())
    }
}
