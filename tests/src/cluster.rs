//! Writes Kubernetes objects that describe the lab, as files for `--cluster dir:PATH`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::node::Node;
use crate::pod::Pod;

/// A directory with one object per file. Files change by rename, so a reader never sees half of one.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    staging: PathBuf,
}

/// A Service with one port.
#[derive(Clone, Debug)]
pub struct ServiceSpec<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub cluster_ips: &'a [std::net::IpAddr],
    pub port: u16,
    pub target_port: u16,
}

/// A Service of type `LoadBalancer`.
#[derive(Clone, Debug)]
pub struct Balancer<'a> {
    pub service: ServiceSpec<'a>,
    /// The addresses that the load balancer assigned.
    pub vips: &'a [std::net::IpAddr],
    /// `externalTrafficPolicy: Local`.
    pub local: bool,
}

impl Cluster {
    /// Creates an empty directory below `parent`.
    ///
    /// # Errors
    /// Fails when the directory can't be made.
    pub fn new(parent: &Path) -> Result<Self> {
        let (dir, staging) = (parent.join("cluster"), parent.join("cluster-staging"));
        fs::create_dir_all(&dir)?;
        fs::create_dir_all(&staging)?;
        Ok(Self { dir, staging })
    }

    /// Returns the value of `--cluster`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("dir:{}", self.dir.display())
    }

    /// Returns the directory of the files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Adds an object or replaces it.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let name = file_name(
            text(object, "/kind"),
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
        );
        let staged = self.staging.join(&name);
        fs::write(&staged, serde_yaml_ng::to_string(object)?)?;
        fs::rename(&staged, self.dir.join(&name)).with_context(|| name)
    }

    /// Adds or replaces the objects of a text, which `---` lines separate.
    ///
    /// # Errors
    /// Fails when an object is not YAML, and as [`Self::apply`] does.
    pub fn apply_yaml(&self, text: &str) -> Result<()> {
        for document in text.split("\n---\n") {
            self.apply(&serde_yaml_ng::from_str(document).context("lab object")?)?;
        }
        Ok(())
    }

    /// Removes an object.
    ///
    /// # Errors
    /// Fails when there is no such object.
    pub fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<()> {
        let file = file_name(kind, namespace, name);
        fs::remove_file(self.dir.join(&file)).with_context(|| file)
    }

    /// Adds a Namespace, with the label that every namespace has.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn namespace(&self, name: &str) -> Result<()> {
        self.namespace_labelled(name, &[])
    }

    /// Adds a Namespace with more labels.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn namespace_labelled(&self, name: &str, labels: &[(&str, &str)]) -> Result<()> {
        let mut metadata = json!({"name": name, "labels": {"kubernetes.io/metadata.name": name}});
        for (key, value) in labels {
            metadata["labels"][key] = json!(value);
        }
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}))
    }

    /// Adds a Node.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn node(&self, node: &Node) -> Result<()> {
        let cidrs = [format!("{}/24", node.pod_ip4(0)), format!("{}/64", node.pod_ip6(0))];
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node.name, "labels": {"kubernetes.io/hostname": node.name}},
            "spec": {"podCIDR": cidrs[0], "podCIDRs": cidrs},
            "status": {"addresses": [
                {"type": "InternalIP", "address": node.ip4()},
                {"type": "InternalIP", "address": node.ip6()},
                {"type": "Hostname", "address": node.name},
            ]},
        }))
    }

    /// Adds a running Pod of a Deployment, with its ReplicaSet. The pod's name is `DEPLOYMENT-HASH-SUFFIX`; other names
    /// make a bare Pod.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn pod(&self, node: &str, pod: &Pod) -> Result<()> {
        self.pod_labelled(node, pod, &[])
    }

    /// Adds a running Pod with more labels; `app` always names the Deployment.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn pod_labelled(&self, node: &str, pod: &Pod, labels: &[(&str, &str)]) -> Result<()> {
        let now = format!("{:.0}", Timestamp::now());
        let mut metadata = json!({
            "namespace": pod.namespace, "name": pod.name, "uid": uid(&pod.namespace, &pod.name),
            "creationTimestamp": now,
        });
        for (key, value) in labels {
            metadata["labels"][key] = json!(value);
        }
        if let Some((deployment, set)) = owners(&pod.name) {
            metadata["labels"]["app"] = json!(deployment);
            metadata["ownerReferences"] = json!([owner("ReplicaSet", &pod.namespace, set)]);
            self.replica_set(&pod.namespace, deployment, set)?;
        }
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {"nodeName": node, "containers": [{"name": "main", "image": "lab"}]},
            "status": {
                "phase": "Running", "startTime": now,
                "podIP": pod.ip4, "podIPs": [{"ip": pod.ip4}, {"ip": pod.ip6}],
            },
        }))
    }

    /// Adds a running Pod in the node's own network, and returns its UID.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn host_pod(&self, node: &Node, namespace: &str, name: &str) -> Result<String> {
        let (uid, now) = (uid(namespace, name), format!("{:.0}", Timestamp::now()));
        self.apply(&json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "uid": uid, "creationTimestamp": now},
            "spec": {
                "nodeName": node.name, "hostNetwork": true, "containers": [{"name": "main", "image": "lab"}],
            },
            "status": {
                "phase": "Running", "startTime": now, "hostIP": node.ip4(),
                "podIP": node.ip4(), "podIPs": [{"ip": node.ip4()}, {"ip": node.ip6()}],
            },
        }))?;
        Ok(uid)
    }

    fn replica_set(&self, namespace: &str, deployment: &str, name: &str) -> Result<()> {
        self.apply(&json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "namespace": namespace, "name": name, "uid": uid(namespace, name),
                "ownerReferences": [owner("Deployment", namespace, deployment)],
            },
        }))
    }

    /// Adds a Service and its EndpointSlices, one per address family.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn service(&self, spec: &ServiceSpec<'_>, backends: &[&Pod]) -> Result<()> {
        self.apply(&service_object(spec))?;
        self.endpoints(spec, backends)
    }

    /// Adds a Service of type `LoadBalancer` with its EndpointSlices.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn balancer(&self, balancer: &Balancer<'_>, backends: &[&Pod]) -> Result<()> {
        let mut service = service_object(&balancer.service);
        service["spec"]["type"] = json!("LoadBalancer");
        service["spec"]["externalTrafficPolicy"] = json!(if balancer.local { "Local" } else { "Cluster" });
        let ingress: Vec<_> = balancer.vips.iter().map(|ip| json!({"ip": ip, "ipMode": "VIP"})).collect();
        service["status"] = json!({"loadBalancer": {"ingress": ingress}});
        self.apply(&service)?;
        self.endpoints(&balancer.service, backends)
    }

    /// Adds MetalLB's status: `node` announces the Service `(namespace, name)`.
    ///
    /// # Errors
    /// Fails as [`Self::apply`] does.
    pub fn l2_status(&self, name: &str, service: (&str, &str), node: &str) -> Result<()> {
        let now = format!("{:.0}", Timestamp::now());
        self.apply(&json!({
            "apiVersion": "metallb.io/v1beta1", "kind": "ServiceL2Status",
            "metadata": {
                "namespace": "metallb-system", "name": name, "creationTimestamp": now,
                "labels": {
                    "metallb.io/node": node,
                    "metallb.io/service-namespace": service.0, "metallb.io/service-name": service.1,
                },
            },
            "spec": {},
            "status": {
                "node": node, "serviceNamespace": service.0, "serviceName": service.1,
                "interfaces": [{"name": "eth0"}],
            },
        }))
    }

    fn endpoints(&self, spec: &ServiceSpec<'_>, backends: &[&Pod]) -> Result<()> {
        ["IPv4", "IPv6"].iter().try_for_each(|family| self.endpoint_slice(spec, family, backends))
    }

    fn endpoint_slice(&self, spec: &ServiceSpec<'_>, family: &str, backends: &[&Pod]) -> Result<()> {
        let endpoints: Vec<_> = backends
            .iter()
            .map(|pod| {
                let ip = if family == "IPv4" { pod.ip4.to_string() } else { pod.ip6.to_string() };
                json!({
                    "addresses": [ip], "conditions": {"ready": true},
                    "targetRef": {"kind": "Pod", "namespace": pod.namespace, "name": pod.name},
                })
            })
            .collect();
        self.apply(&json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {
                "namespace": spec.namespace, "name": format!("{}-{}", spec.name, family.to_lowercase()),
                "labels": {"kubernetes.io/service-name": spec.name},
            },
            "endpoints": endpoints,
            "ports": [{"name": "main", "protocol": "TCP", "port": spec.target_port}],
        }))
    }
}

fn service_object(spec: &ServiceSpec<'_>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": spec.namespace, "name": spec.name},
        "spec": {
            "type": "ClusterIP",
            "clusterIP": spec.cluster_ips.first(), "clusterIPs": spec.cluster_ips,
            "ports": [{"name": "main", "protocol": "TCP", "port": spec.port, "targetPort": spec.target_port}],
        },
    })
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn file_name(kind: &str, namespace: &str, name: &str) -> String {
    format!("{}_{namespace}_{name}.yaml", kind.to_lowercase())
}

/// Returns Deployment and ReplicaSet in a pod's name.
fn owners(pod: &str) -> Option<(&str, &str)> {
    let (set, _suffix) = pod.rsplit_once('-')?;
    let (deployment, hash) = set.rsplit_once('-')?;
    (hash.len() == 10).then_some((deployment, set))
}

fn owner(kind: &str, namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(namespace, name), "controller": true})
}

fn uid(namespace: &str, name: &str) -> String {
    format!("uid-{namespace}-{name}")
}

#[cfg(test)]
mod tests;
