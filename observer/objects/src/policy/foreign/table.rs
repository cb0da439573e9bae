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

/// A kind, and where an API server has it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    /// The resource's name in paths and in permissions.
    pub(super) plural: &'static str,
    pub(super) foreign: Foreign,
}

const fn row(
    group: &'static str,
    kind: &'static str,
    plural: &'static str,
    maker: &'static str,
    scope: Scope,
    pods: Pods,
    acts: Acts,
) -> Row {
    Row { group, kind, plural, foreign: Foreign { maker, scope, pods, acts } }
}

use Acts::{AsWritten, Both, Egress, Ingress};
use Scope::{Cluster, Namespaced};

#[rustfmt::skip]
pub(super) const TABLE: &[Row] = &[
    row("cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", "Cilium", Namespaced, Pods::Cilium, AsWritten),
    row("cilium.io", "CiliumClusterwideNetworkPolicy", "ciliumclusterwidenetworkpolicies", "Cilium", Cluster, Pods::Cilium, AsWritten),
    row("projectcalico.org", "NetworkPolicy", "networkpolicies", "Calico", Namespaced, Pods::Calico, AsWritten),
    row("projectcalico.org", "GlobalNetworkPolicy", "globalnetworkpolicies", "Calico", Cluster, Pods::Calico, AsWritten),
    row("crd.projectcalico.org", "NetworkPolicy", "networkpolicies", "Calico", Namespaced, Pods::Calico, AsWritten),
    row("crd.projectcalico.org", "GlobalNetworkPolicy", "globalnetworkpolicies", "Calico", Cluster, Pods::Calico, AsWritten),
    row("crd.antrea.io", "NetworkPolicy", "networkpolicies", "Antrea", Namespaced, Pods::Antrea, AsWritten),
    row("crd.antrea.io", "ClusterNetworkPolicy", "clusternetworkpolicies", "Antrea", Cluster, Pods::Antrea, AsWritten),
    row("k8s.ovn.org", "EgressFirewall", "egressfirewalls", "OVN-Kubernetes", Namespaced, Pods::Any, Egress),
    row("network.openshift.io", "EgressNetworkPolicy", "egressnetworkpolicies", "OpenShift SDN", Namespaced, Pods::Any, Egress),
    row("kubeovn.io", "SecurityGroup", "security-groups", "Kube-OVN", Cluster, Pods::Any, Both),
    row("security.istio.io", "AuthorizationPolicy", "authorizationpolicies", "Istio", Namespaced, Pods::Istio, Ingress),
    row("security.istio.io", "PeerAuthentication", "peerauthentications", "Istio", Namespaced, Pods::Istio, Ingress),
    row("policy.linkerd.io", "Server", "servers", "Linkerd", Namespaced, Pods::Selector("podSelector"), Ingress),
    row("kuma.io", "TrafficPermission", "trafficpermissions", "Kuma", Cluster, Pods::Any, Both),
    row("kuma.io", "MeshTrafficPermission", "meshtrafficpermissions", "Kuma", Cluster, Pods::Any, Both),
    row("consul.hashicorp.com", "ServiceIntentions", "serviceintentions", "Consul", Cluster, Pods::Any, Both),
    row("access.smi-spec.io", "TrafficTarget", "traffictargets", "a mesh (SMI)", Cluster, Pods::Any, Ingress),
    row("vpcresources.k8s.aws", "SecurityGroupPolicy", "securitygrouppolicies", "the AWS VPC CNI", Namespaced, Pods::Selector("podSelector"), Both),
    row("networking.k8s.aws", "ApplicationNetworkPolicy", "applicationnetworkpolicies", "the AWS VPC CNI", Namespaced, Pods::Selector("podSelector"), AsWritten),
    row("networking.k8s.aws", "ClusterNetworkPolicy", "clusternetworkpolicies", "the AWS VPC CNI", Cluster, Pods::Any, Both),
    row("networking.gke.io", "FQDNNetworkPolicy", "fqdnnetworkpolicies", "GKE", Namespaced, Pods::Selector("podSelector"), Egress),
    row("crd.nsx.vmware.com", "SecurityPolicy", "securitypolicies", "NSX", Namespaced, Pods::Any, Both),
    row("nsx.vmware.com", "SecurityPolicy", "securitypolicies", "NSX", Namespaced, Pods::Any, Both),
    row("security.kubearmor.com", "KubeArmorPolicy", "kubearmorpolicies", "KubeArmor", Namespaced, Pods::Selector("selector"), Both),
];

/// Returns the row of a kind.
pub(super) fn known(kind: &str, group: &str) -> Option<Foreign> {
    TABLE.iter().find(|row| (row.group, row.kind) == (group, kind)).map(|row| row.foreign)
}

/// Is true for the name of a kind in the table, in any case.
pub(super) fn is_name(kind: &str) -> bool {
    TABLE.iter().any(|row| row.kind.eq_ignore_ascii_case(kind))
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

/// Returns a row for a profile of Calico that refuses something. Profiles decide where no policy selects a pod. Calico makes
/// one for each namespace, which admits everything, as a pod without policies is judged anyway.
/// Source: <https://docs.tigera.io/calico/latest/reference/resources/profile>.
pub(super) fn profile(kind: &str, group: &str, object: &Value) -> Option<Foreign> {
    let is_profile = kind == "Profile" && ["projectcalico.org", "crd.projectcalico.org"].contains(&group);
    let admits_all = |direction: &str| object["spec"][direction] == serde_json::json!([{"action": "Allow"}]);
    let refuses = !(admits_all("ingress") && admits_all("egress"));
    let maker = "Calico: a profile, which decides where no policy selects a pod";
    (is_profile && refuses).then_some(Foreign { maker, scope: Cluster, pods: Pods::All, acts: Both })
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
