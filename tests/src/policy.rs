//! NetworkPolicies, and their managers.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

/// Isolates a whole namespace and admits other namespaces, one a rule and at every port: `netpol_postgres` of the
/// incident.
#[must_use]
pub fn admitting(namespace: &str, name: &str, from: &[&str]) -> Value {
    let rules: Vec<_> = from
        .iter()
        .map(|ns| json!({"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": ns}}}]}))
        .collect();
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": rules},
    })
}

/// Returns the object as it is after `manager` applied it just now.
#[must_use]
pub fn managed_by(mut object: Value, manager: &str) -> Value {
    let now = format!("{:.0}", Timestamp::now());
    object["metadata"]["managedFields"] = json!([{
        "manager": manager, "operation": "Apply", "apiVersion": object["apiVersion"], "time": now,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:podSelector": {}, "f:policyTypes": {}, "f:ingress": {}}},
    }]);
    object
}

/// Writes an object as a manifest, as a pull request has it.
///
/// # Errors
/// Fails when the file can't be written.
pub fn write(path: &Path, object: &Value) -> Result<()> {
    fs::write(path, serde_yaml_ng::to_string(object)?).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests;
