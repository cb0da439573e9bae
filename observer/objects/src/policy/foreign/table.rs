//! The kinds of policies that aren't judged.

use serde_json::Value;

use crate::kinds::Scope;

/// A kind of policy that isn't judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    /// The program that enforces it.
    pub(super) maker: &'static str,
    pub(super) scope: Scope,
    pub(super) pods: Pods,
    /// The directions that it may act on.
    pub(super) acts: Acts,
}

/// The way a kind names its pods.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pods {
    /// `endpointSelector`, with prefixes at its keys.
    Cilium,
    /// An expression.
    Calico,
    /// `appliedTo`, a list of `podSelector` and `namespaceSelector`.
    Antrea,
    /// A label selector in this field of `spec`.
    Selector(&'static str),
    /// As `Selector`; policies of the namespace `istio-system` concern all namespaces.
    Istio,
    /// All pods of its scope, or which ones isn't known.
    Any,
    /// All pods of the cluster, wherever the object is.
    All,
}

/// The directions that a policy may act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acts {
    Ingress,
    Egress,
    Both,
    /// Those of which it has rules.
    AsWritten,
}

type Row = (&'static str, &'static str, Foreign);

const fn row(
    group: &'static str,
    kind: &'static str,
    maker: &'static str,
    scope: Scope,
    pods: Pods,
    acts: Acts,
) -> Row {
    (group, kind, Foreign { maker, scope, pods, acts })
}

use Acts::{AsWritten, Both, Egress, Ingress};
use Scope::{Cluster, Namespaced};

#[rustfmt::skip]
const TABLE: &[Row] = &[
    row("cilium.io", "CiliumNetworkPolicy", "Cilium", Namespaced, Pods::Cilium, AsWritten),
    row("cilium.io", "CiliumClusterwideNetworkPolicy", "Cilium", Cluster, Pods::Cilium, AsWritten),
    row("projectcalico.org", "NetworkPolicy", "Calico", Namespaced, Pods::Calico, AsWritten),
    row("projectcalico.org", "GlobalNetworkPolicy", "Calico", Cluster, Pods::Calico, AsWritten),
    row("crd.projectcalico.org", "NetworkPolicy", "Calico", Namespaced, Pods::Calico, AsWritten),
    row("crd.projectcalico.org", "GlobalNetworkPolicy", "Calico", Cluster, Pods::Calico, AsWritten),
    row("crd.antrea.io", "NetworkPolicy", "Antrea", Namespaced, Pods::Antrea, AsWritten),
    row("crd.antrea.io", "ClusterNetworkPolicy", "Antrea", Cluster, Pods::Antrea, AsWritten),
    row("k8s.ovn.org", "EgressFirewall", "OVN-Kubernetes", Namespaced, Pods::Any, Egress),
    row("network.openshift.io", "EgressNetworkPolicy", "OpenShift SDN", Namespaced, Pods::Any, Egress),
    row("kubeovn.io", "SecurityGroup", "Kube-OVN", Cluster, Pods::Any, Both),
    row("security.istio.io", "AuthorizationPolicy", "Istio", Namespaced, Pods::Istio, Ingress),
    row("security.istio.io", "PeerAuthentication", "Istio", Namespaced, Pods::Istio, Ingress),
    row("policy.linkerd.io", "Server", "Linkerd", Namespaced, Pods::Selector("podSelector"), Ingress),
    row("kuma.io", "TrafficPermission", "Kuma", Cluster, Pods::Any, Both),
    row("kuma.io", "MeshTrafficPermission", "Kuma", Cluster, Pods::Any, Both),
    row("consul.hashicorp.com", "ServiceIntentions", "Consul", Cluster, Pods::Any, Both),
    row("access.smi-spec.io", "TrafficTarget", "a mesh (SMI)", Cluster, Pods::Any, Ingress),
    row("vpcresources.k8s.aws", "SecurityGroupPolicy", "the AWS VPC CNI", Namespaced, Pods::Selector("podSelector"), Both),
    row("networking.k8s.aws", "ApplicationNetworkPolicy", "the AWS VPC CNI", Namespaced, Pods::Selector("podSelector"), AsWritten),
    row("networking.k8s.aws", "ClusterNetworkPolicy", "the AWS VPC CNI", Cluster, Pods::Any, Both),
    row("networking.gke.io", "FQDNNetworkPolicy", "GKE", Namespaced, Pods::Selector("podSelector"), Egress),
    row("crd.nsx.vmware.com", "SecurityPolicy", "NSX", Namespaced, Pods::Any, Both),
    row("nsx.vmware.com", "SecurityPolicy", "NSX", Namespaced, Pods::Any, Both),
    row("security.kubearmor.com", "KubeArmorPolicy", "KubeArmor", Namespaced, Pods::Selector("selector"), Both),
];

/// Returns the row of a kind.
pub(super) fn known(kind: &str, group: &str) -> Option<Foreign> {
    TABLE.iter().find(|row| (row.0, row.1) == (group, kind)).map(|row| row.2)
}

/// Is true for the name of a kind in the table, in any case.
pub(super) fn is_name(kind: &str) -> bool {
    TABLE.iter().any(|row| row.1.eq_ignore_ascii_case(kind))
}

/// Returns a row for the settings of a network plugin by which pods are isolated without a policy, or policies have no effect.
pub(super) fn default_of_plugin(object: &Value) -> Option<Foreign> {
    let maker = match object["data"]["enable-policy"].as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("always") => "Cilium: with enable-policy: always, pods are isolated without a policy",
        Some("never") => "Cilium: with enable-policy: never, policies have no effect",
        _ => return None,
    };
    let is_settings = object["kind"] == "ConfigMap" && object["metadata"]["name"] == "cilium-config";
    is_settings.then_some(Foreign { maker, scope: Namespaced, pods: Pods::All, acts: Both })
}

/// Fields of `spec` by which kinds select pods.
const SELECTORS: [&str; 7] =
    ["podSelector", "endpointSelector", "workloadSelector", "appliedTo", "selector", "subject", "targetRef"];

/// Fields of `spec` that admit or refuse connections.
const RULES: [&str; 8] =
    ["ingress", "egress", "ingressDeny", "egressDeny", "ingressRules", "egressRules", "inbound", "outbound"];

/// Returns a row for a kind that isn't in the table, but that looks like a policy for connections of pods.
pub(super) fn likely(kind: &str, group: &str, object: &Value) -> Option<Foreign> {
    // Kinds of Kubernetes itself are known. These policies are drafts, act on other networks, or only name addresses.
    let harmless = ["apps", "batch", "policy", "extensions", "autoscaling"].contains(&group)
        || kind.starts_with("Staged")
        || kind.starts_with("Multi");
    let has = |fields: &[&str]| fields.iter().any(|field| object["spec"].get(*field).is_some());
    let looks = kind.contains("NetworkPolicy") || has(&["policyTypes"]) || (has(&SELECTORS) && has(&RULES));
    let namespaced = object["metadata"]["namespace"].is_string();
    (looks && !harmless).then_some(Foreign {
        maker: "a kind that isn't known here",
        scope: if namespaced { Namespaced } else { Cluster },
        pods: if namespaced { Pods::Selector("podSelector") } else { Pods::Any },
        acts: Both,
    })
}
