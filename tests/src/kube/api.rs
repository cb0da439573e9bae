//! The interface of an API server for tests, real or fake.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::fake::FakeApi;
use super::kubectl::Kubectl;
use super::place::Place;
use super::server::ApiServer;

/// The agent's namespace.
pub const NAMESPACE: &str = "flow-observer";

/// The manifest with the agent's rights.
pub const RBAC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/base/rbac.yaml");

/// An API server that a test can change. The same tests run on both, so that the fake can't drift.
pub trait Api {
    /// Returns where it runs.
    fn place(&self) -> &Place;
    /// Returns the address, `http(s)://127.0.0.1:PORT`.
    fn url(&self) -> String;
    /// Returns kubectl as admin.
    fn as_admin(&self) -> Kubectl;
    /// Returns a kubeconfig of the agent's account, with the rights in `deploy/`; the fake has no rights.
    ///
    /// # Errors
    /// Fails when the server refuses the account or its rights.
    fn agent(&self) -> Result<PathBuf>;
    /// Creates or changes objects, status included, as `manager`.
    ///
    /// # Errors
    /// Fails when the server refuses an object.
    fn apply_as(&self, manager: &str, objects: &[Value]) -> Result<()>;
    /// Deletes an object at once.
    ///
    /// # Errors
    /// Fails when there is no such object.
    fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()>;
    /// Forgets the versions until now, so that watches from there have expired.
    ///
    /// # Errors
    /// Fails when a real server doesn't start again.
    fn forget(&mut self) -> Result<()>;

    /// Creates or changes objects, status included.
    ///
    /// # Errors
    /// Fails when the server refuses an object.
    fn apply(&self, objects: &[Value]) -> Result<()> {
        self.apply_as("kubectl", objects)
    }
}

impl Api for ApiServer {
    fn place(&self) -> &Place {
        self.place()
    }

    fn url(&self) -> String {
        self.url()
    }

    fn as_admin(&self) -> Kubectl {
        self.as_admin()
    }

    fn agent(&self) -> Result<PathBuf> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        self.kubectl(&["apply", "-f", "-"], Some(&namespace.to_string()))?;
        let rights = fs::read_to_string(RBAC).context(RBAC)?;
        self.kubectl(&["apply", "-n", NAMESPACE, "-f", "-"], Some(&rights))?;
        self.kubeconfig_for_service_account(NAMESPACE, "flow-observer")
    }

    fn apply_as(&self, manager: &str, objects: &[Value]) -> Result<()> {
        let wanted: Vec<Value> = objects.iter().filter_map(stored).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let items: Vec<Value> = wanted.iter().map(without_status).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let manager = format!("--field-manager={manager}");
        let args = ["apply", "--server-side", "--force-conflicts", "--validate=false", &manager, "-f", "-"];
        self.kubectl(&args, Some(&list))?;
        wanted.iter().filter(|object| object["status"].is_object()).try_for_each(|object| self.status(object))
    }

    fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        // No kubelet confirms that a pod is gone, so a graceful deletion would never end.
        let mut args = vec!["delete", kind, name, "--grace-period=0", "--force", "--wait=false"];
        if !namespace.is_empty() {
            args.extend(["-n", namespace]);
        }
        self.kubectl(&args, None).map(drop)
    }

    /// A new server's watch cache starts where it started.
    fn forget(&mut self) -> Result<()> {
        self.restart()
    }
}

impl ApiServer {
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

/// Returns a lab's object as Kubernetes 1.20 accepts it: without fields that the server fills in, with those that it
/// requires. Some have no counterpart there.
fn stored(object: &Value) -> Option<Value> {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["uid", "creationTimestamp", "managedFields"] {
            metadata.remove(field);
        }
    }
    match object["kind"].as_str() {
        Some("ReplicaSet") => {
            let labels = json!({"app": object["metadata"]["name"]});
            let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "lab"}]}});
            object["spec"] =
                json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": template});
        }
        Some("EndpointSlice") => return endpoints(&object),
        Some("Namespace" | "Service") => {
            // The cluster has one address family, so its API has one address per Service.
            if let Some(spec) = object["spec"].as_object_mut() {
                spec.remove("clusterIPs");
            }
        }
        _ => {}
    }
    Some(object)
}

/// Returns the Endpoints for a slice of IPv4 addresses, since 1.20 has no `discovery.k8s.io/v1`.
fn endpoints(slice: &Value) -> Option<Value> {
    if slice["addressType"] != "IPv4" {
        return None;
    }
    let service = &slice["metadata"]["labels"]["kubernetes.io/service-name"];
    let address =
        |endpoint: &Value| json!({"ip": endpoint["addresses"][0], "targetRef": endpoint["targetRef"]});
    let of_readiness = |ready: bool| -> Vec<Value> {
        let endpoints = slice["endpoints"].as_array().into_iter().flatten();
        endpoints.filter(|e| (e["conditions"]["ready"] != false) == ready).map(address).collect()
    };
    let subset = json!({
        "addresses": of_readiness(true), "notReadyAddresses": of_readiness(false), "ports": slice["ports"],
    });
    Some(json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"namespace": slice["metadata"]["namespace"], "name": service},
        "subsets": [subset],
    }))
}

impl Api for FakeApi {
    fn place(&self) -> &Place {
        self.place()
    }

    fn url(&self) -> String {
        self.url()
    }

    fn as_admin(&self) -> Kubectl {
        self.as_admin()
    }

    fn agent(&self) -> Result<PathBuf> {
        Ok(self.kubeconfig().to_owned())
    }

    fn apply_as(&self, manager: &str, objects: &[Value]) -> Result<()> {
        objects.iter().try_for_each(|object| self.put(crate::policy::managed_by(object.clone(), manager)))
    }

    fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        self.remove(kind, namespace, name)
    }

    fn forget(&mut self) -> Result<()> {
        self.compact();
        Ok(())
    }
}
