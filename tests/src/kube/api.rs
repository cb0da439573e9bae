//! How a test changes the objects of an API server.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::server::ApiServer;

/// The agent's namespace.
pub const NAMESPACE: &str = "flow-observer";

/// The manifest with the agent's rights.
pub const RBAC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/base/rbac.yaml");

impl ApiServer {
    /// Returns a kubeconfig of the agent's account, with the rights in `deploy/`.
    ///
    /// # Errors
    /// Fails when the server refuses the account or its rights.
    pub fn agent(&self) -> Result<PathBuf> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        self.kubectl(&["apply", "-f", "-"], Some(&namespace.to_string()))?;
        let rights = fs::read_to_string(RBAC).context(RBAC)?;
        self.kubectl(&["apply", "-n", NAMESPACE, "-f", "-"], Some(&rights))?;
        self.kubeconfig_for_service_account(NAMESPACE, "flow-observer")
    }

    /// Creates or changes objects, status included.
    ///
    /// # Errors
    /// Fails when the server refuses an object.
    pub fn apply(&self, objects: &[Value]) -> Result<()> {
        self.apply_as("kubectl", objects)
    }

    /// Creates or changes objects, status included, as `manager`.
    ///
    /// # Errors
    /// Fails when the server refuses an object.
    pub fn apply_as(&self, manager: &str, objects: &[Value]) -> Result<()> {
        if objects.is_empty() {
            return Ok(());
        }
        let wanted: Vec<Value> = objects.iter().map(stored).collect();
        let items: Vec<Value> = wanted.iter().map(without_status).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let manager = format!("--field-manager={manager}");
        let args = ["apply", "--server-side", "--force-conflicts", "--validate=false", &manager, "-f", "-"];
        self.kubectl(&args, Some(&list))?;
        wanted.iter().filter(|object| object["status"].is_object()).try_for_each(|object| self.status(object))
    }

    /// Deletes an object at once.
    ///
    /// # Errors
    /// Fails when there is no such object.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        // No kubelet confirms that a pod is gone, so a graceful deletion would never end.
        let mut args = vec!["delete", kind, name, "--grace-period=0", "--force", "--wait=false"];
        if !namespace.is_empty() {
            args.extend(["-n", namespace]);
        }
        self.kubectl(&args, None).map(drop)
    }

    /// Writes the status where the kind has a path for it; elsewhere it came with the object.
    fn status(&self, object: &Value) -> Result<()> {
        let Some(path) = status_path(object) else { return Ok(()) };
        self.kubectl(&["replace", "--raw", &path, "-f", "-"], Some(&object.to_string())).map(drop)
    }
}

/// Removes the status where it has a path of its own: the server accepts it only there.
fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    if let (Some(_), Some(fields)) = (status_path(&object), object.as_object_mut()) {
        fields.remove("status");
    }
    object
}

fn status_path(object: &Value) -> Option<String> {
    let plural = match object["kind"].as_str()? {
        "Pod" => "pods",
        "Node" => "nodes",
        "Service" => "services",
        _ => return None,
    };
    let name = object["metadata"]["name"].as_str()?;
    Some(match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("/api/v1/namespaces/{namespace}/{plural}/{name}/status"),
        None => format!("/api/v1/{plural}/{name}/status"),
    })
}

/// Returns a lab's object as the server accepts it: without fields that the server fills in, with those that it requires.
fn stored(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["uid", "creationTimestamp", "managedFields"] {
            metadata.remove(field);
        }
    }
    if object["kind"] == "ReplicaSet" {
        let labels = json!({"app": object["metadata"]["name"]});
        let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "lab"}]}});
        object["spec"] = json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": template});
    }
    object
}
