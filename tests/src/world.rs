//! The usual lab: a LAN, a node, a cluster directory that describes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Result;

use crate::agent::Agent;
use crate::cluster::{Cluster, ServiceSpec};
use crate::guard::Guard;
use crate::lan::Lan;
use crate::node::Node;
use crate::pod::Pod;
use crate::service;

/// A lab and its description. Pods, servers and agents made from it are dropped before it.
#[derive(Debug)]
pub struct World {
    pub node: Node,
    pub lan: Lan,
    pub cluster: Cluster,
    pub guard: Arc<Guard>,
}

impl World {
    /// Builds a lab with one node, `node1`.
    ///
    /// # Errors
    /// Fails when the lab can't be built.
    pub fn new() -> Result<Self> {
        Self::named("node1")
    }

    /// Builds a lab with one node of the given name.
    ///
    /// # Errors
    /// Fails when the lab can't be built.
    pub fn named(node: &str) -> Result<Self> {
        Self::numbered(node, 1)
    }

    /// Builds a lab with one node of the given name and number.
    ///
    /// # Errors
    /// Fails when the lab can't be built.
    pub fn numbered(node: &str, index: u8) -> Result<Self> {
        let guard = Guard::take()?;
        let lan = Lan::new(&guard)?;
        let cluster = Cluster::new(guard.dir())?;
        let node = Node::new(&guard, &lan, node, index)?;
        cluster.node(&node)?;
        Ok(Self { node, lan, cluster, guard })
    }

    /// Adds a node.
    ///
    /// # Errors
    /// Fails when the node can't be built.
    pub fn add_node(&self, name: &str, index: u8) -> Result<Node> {
        let node = Node::new(&self.guard, &self.lan, name, index)?;
        self.cluster.node(&node)?;
        Ok(node)
    }

    /// Starts a pod of Deployment `workload` on the first node, listed in the cluster directory.
    ///
    /// # Errors
    /// Fails when the pod can't be built.
    pub fn pod(&self, namespace: &str, workload: &str) -> Result<Pod> {
        self.pod_on(&self.node, namespace, workload)
    }

    /// Starts a pod on the given node.
    ///
    /// # Errors
    /// Fails when the pod can't be built.
    pub fn pod_on(&self, node: &Node, namespace: &str, workload: &str) -> Result<Pod> {
        let pod = node.add_pod(namespace, &pod_name(workload))?;
        self.cluster.namespace(namespace)?;
        self.cluster.pod(&node.name, &pod)?;
        Ok(pod)
    }

    /// Starts a pod on the first node with more labels.
    ///
    /// # Errors
    /// Fails when the pod can't be built.
    pub fn pod_labelled(&self, namespace: &str, workload: &str, labels: &[(&str, &str)]) -> Result<Pod> {
        let pod = self.node.add_pod(namespace, &pod_name(workload))?;
        self.cluster.namespace(namespace)?;
        self.cluster.pod_labelled(&self.node.name, &pod, labels)?;
        Ok(pod)
    }

    /// Starts a pod on the first node by its full name.
    ///
    /// # Errors
    /// Fails when the pod can't be built.
    pub fn pod_named(&self, namespace: &str, name: &str) -> Result<Pod> {
        let pod = self.node.add_pod(namespace, name)?;
        self.cluster.namespace(namespace)?;
        self.cluster.pod(&self.node.name, &pod)?;
        Ok(pod)
    }

    /// Restarts a pod: it gets another name and address. Each change is waited for: a cluster's pods are listed long
    /// before they connect.
    ///
    /// # Errors
    /// Fails when the new pod can't be built, or the agent doesn't notice a change.
    pub fn replace_pod(&self, agent: &Agent, old: Pod, name: &str) -> Result<Pod> {
        let pods = [("kind", "Pod")];
        let before = agent.metric("cluster_objects", &pods)?;
        let namespace = old.namespace.clone();
        self.delete_pod(old)?;
        agent.wait_metric("cluster_objects", &pods, before - 1.0)?;
        let new = self.pod_named(&namespace, name)?;
        agent.wait_metric("cluster_objects", &pods, before)?;
        Ok(new)
    }

    /// Starts a pod at a given address of the first node.
    ///
    /// # Errors
    /// Fails when the pod can't be built.
    pub fn pod_at(&self, host: u8, namespace: &str, workload: &str) -> Result<Pod> {
        let pod = self.node.add_pod_at(host, namespace, &pod_name(workload))?;
        self.cluster.namespace(namespace)?;
        self.cluster.pod(&self.node.name, &pod)?;
        Ok(pod)
    }

    /// Deletes a pod and its object.
    ///
    /// # Errors
    /// Fails when the pod was not listed.
    pub fn delete_pod(&self, pod: Pod) -> Result<()> {
        self.cluster.delete("Pod", &pod.namespace, &pod.name)?;
        pod.delete();
        Ok(())
    }

    /// Adds a Service with one backend, in the cluster directory and on the first node.
    ///
    /// # Errors
    /// Fails when the Service can't be built.
    pub fn service(&self, spec: &ServiceSpec<'_>, backend: &Pod) -> Result<()> {
        self.cluster.service(spec, &[backend])?;
        for ip in spec.cluster_ips {
            let target =
                if ip.is_ipv4() { backend.at(spec.target_port) } else { backend.at6(spec.target_port) };
            service::forward(&self.node, SocketAddr::new(*ip, spec.port), target)?;
        }
        Ok(())
    }

    /// Starts the agent on the first node.
    ///
    /// # Errors
    /// Fails as [`Agent::start`] does.
    pub fn agent(&self, args: &[&str]) -> Result<Agent> {
        self.agent_on(&self.node, args)
    }

    /// Starts the agent on a node.
    ///
    /// # Errors
    /// Fails as [`Agent::start`] does.
    pub fn agent_on(&self, node: &Node, args: &[&str]) -> Result<Agent> {
        Agent::start(&node.ns, &node.name, &self.cluster.flag(), self.guard.dir(), args)
    }
}

/// A name as the Deployment controller gives it, never twice.
fn pod_name(workload: &str) -> String {
    static PODS: AtomicU32 = AtomicU32::new(0);
    format!("{workload}-6b55489545-{:05x}", PODS.fetch_add(1, Ordering::Relaxed))
}
