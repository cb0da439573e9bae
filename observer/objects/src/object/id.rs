//! The kind and the name of an object.

use std::fmt;

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use serde_json::Value;

use crate::kinds::{Kind, Scope};
use crate::names::shared;
use crate::policy::foreign;

/// The kind and the name of an object. Its text is `Kind namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The kind as it is counted: `Pod`, or `Service.serving.knative.dev` for an object that has only the name of a kind in
    /// the table.
    pub kind: ArcStr,
    /// The name, and the namespace unless the kind has none.
    pub object: ObjectRef,
}

impl ObjectId {
    /// Reads them from an object.
    ///
    /// # Errors
    /// Fails with a sentence for people when the object lacks a kind or a name.
    pub fn of(value: &Value) -> Result<Self, String> {
        let Some(kind) = value.get("kind").and_then(Value::as_str).filter(|kind| !kind.is_empty()) else {
            return Err("not a Kubernetes object: it has no `kind`".to_owned());
        };
        let metadata = value.get("metadata");
        let text = |field: &str| {
            let text = metadata.and_then(|m| m.get(field)).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        if metadata.and_then(|m| m.get("namespace")).is_some_and(|n| !n.is_null() && !n.is_string()) {
            return Err(format!("{kind}: `metadata.namespace` must be text"));
        }
        let namespace = text("namespace");
        let name = text("name").ok_or_else(|| match namespace {
            Some(namespace) => format!("{kind} in namespace {namespace} has no `metadata.name`"),
            None => format!("{kind} has no `metadata.name`"),
        })?;
        let api_version = value.get("apiVersion").and_then(Value::as_str);
        let group = api_version.map(|v| v.split_once('/').map_or("", |(group, _)| group));
        let known = Kind::of_object(kind, group);
        let scope = known.map(|kind| kind.row().scope).or_else(|| foreign::scope(value));
        let namespace = match scope {
            Some(Scope::Cluster) => "",
            _ => namespace.unwrap_or("default"),
        };
        Ok(Self { kind: counted(kind, known, group), object: ObjectRef::new(shared(namespace), name) })
    }

    /// Returns the kind if its content is read.
    #[must_use]
    pub fn known_kind(&self) -> Option<Kind> {
        self.kind.parse().ok()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.object)
    }
}

/// Returns the kind as it is counted. One that has the name of a kind in the table, but another group, is counted apart.
fn counted(name: &str, known: Option<Kind>, group: Option<&str>) -> ArcStr {
    match (known, Kind::of_object(name, None)) {
        (None, Some(_)) => {
            let group = group.filter(|group| !group.is_empty()).unwrap_or("core");
            arcstr::format!("{name}.{group}")
        }
        _ => shared(name),
    }
}
