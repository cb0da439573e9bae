//! Policies as written, in types of this project. Defaults that the Kubernetes API leaves to readers are already
//! applied.
//!
//! Semantics: <https://kubernetes.io/docs/concepts/services-networking/network-policies/> and
//! <https://network-policy-api.sigs.k8s.io/>.

use std::sync::Arc;

use arcstr::ArcStr;
use ipnet::IpNet;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;

as_str!(Protocol, Direction, TierKind);

/// Every policy of one inventory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Policies {
    /// `networking.k8s.io/v1`, sorted by namespace and name.
    pub namespaced: Vec<Arc<NetworkPolicy>>,
    /// `policy.networking.k8s.io`, in any order.
    pub tiered: Vec<Arc<TierPolicy>>,
    /// Policies that can't be judged. A verdict that could depend on one is unknown.
    pub broken: Vec<Arc<BrokenPolicy>>,
}

/// A NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkPolicy {
    #[schemars(with = "String")]
    pub namespace: ArcStr,
    #[schemars(with = "String")]
    pub name: ArcStr,
    /// `spec.podSelector`.
    pub selector: Selector,
    /// `None`: it does not isolate in this direction. Empty: it isolates and admits nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<Rule>>,
    /// The rules for connections from the pods, as [`NetworkPolicy::ingress`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<Rule>>,
    #[serde(default)]
    pub origin: Origin,
}

impl NetworkPolicy {
    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}

/// The author of a policy, and the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Origin {
    #[schemars(with = "String")]
    pub uid: ArcStr,
    /// `metadata.creationTimestamp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// The newest `metadata.managedFields[].time` of an entry that owns something in `spec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Timestamp>,
    /// The field manager of that entry; absent where entries of several have that time, which is in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub manager: Option<ArcStr>,
    /// Those several field managers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub managers: Vec<ArcStr>,
    /// Annotation `flow-observer.io/audit-ignore`: the reason given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub audit_ignore: Option<ArcStr>,
}

impl Origin {
    /// Returns who changed the object from an earlier version, as far as that is known: of several who wrote in one second, the
    /// one whose entry the earlier version did not have.
    #[must_use]
    pub fn author_since(&self, before: Option<&Self>) -> Option<&ArcStr> {
        if self.manager.is_some() {
            return self.manager.as_ref();
        }
        let before = before?;
        let mut new = self.managers.iter().filter(|manager| !before.has(manager, self.changed));
        let one = new.next()?;
        new.next().is_none().then_some(one)
    }

    /// Is true when an entry of this manager has this time, and none is newer.
    fn has(&self, manager: &ArcStr, changed: Option<Timestamp>) -> bool {
        self.changed == changed && self.manager.iter().chain(&self.managers).any(|one| one == manager)
    }
}

/// A rule. It matches any of its peers on any of its ports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// The other sides. If empty, the rule admits any source or destination, also outside the cluster.
    pub peers: Vec<Peer>,
    /// The ports. If empty, the rule admits all ports of all protocols.
    pub ports: Vec<PortMatch>,
}

/// An entry of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// Pods; both selectors must match.
    Pods {
        /// `None`: the policy's own namespace.
        namespaces: Option<Selector>,
        /// `None`: every pod of those namespaces.
        pods: Option<Selector>,
    },
    /// Addresses, also pods'.
    Block {
        #[schemars(with = "String")]
        cidr: IpNet,
        #[schemars(with = "Vec<String>")]
        except: Vec<IpNet>,
    },
}

/// A label selector; all requirements must hold, so an empty one selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Selector {
    /// `matchLabels` first (as [`Operator::In`] with one value), then `matchExpressions`.
    pub requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    #[schemars(with = "String")]
    pub key: ArcStr,
    pub operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// The key is there and has one of the values.
    In(#[schemars(with = "Vec<String>")] Vec<ArcStr>),
    /// The key is not there, or has another value.
    NotIn(#[schemars(with = "Vec<String>")] Vec<ArcStr>),
    Exists,
    DoesNotExist,
}

#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema
)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Sctp,
}

/// An entry of `ports`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PortMatch {
    pub protocol: Protocol,
    pub port: PortSet,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PortSet {
    /// Every port of the protocol.
    All,
    /// Inclusive; a single port is a range of one.
    Range(u16, u16),
    /// A container port's name, resolved on the destination pod.
    Named(#[schemars(with = "String")] ArcStr),
}

/// The tier of a policy: before NetworkPolicies (`admin`) or after them (`baseline`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    Admin,
    Baseline,
}

/// The direction of a connection, seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Direction {
    Ingress,
    Egress,
}

/// Names the kind of a tiered policy, as the Kubernetes API writes it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    JsonSchema
)]
pub enum TierKind {
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
}

/// ClusterNetworkPolicy, AdminNetworkPolicy or BaselineAdminNetworkPolicy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierPolicy {
    /// The object's kind.
    pub kind: TierKind,
    #[schemars(with = "String")]
    pub name: ArcStr,
    pub tier: Tier,
    /// Lower goes first; 0 for the baseline singleton.
    pub priority: i32,
    pub subject: PodsPeer,
    /// In order; the first match decides. If empty, the policy doesn't act on this direction.
    pub ingress: Vec<TierRule>,
    pub egress: Vec<TierRule>,
    #[serde(default)]
    pub origin: Origin,
}

impl TierPolicy {
    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::cluster_scoped(self.name.clone())
    }
}

/// Pods by namespace and by label. Pods in their node's network never match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PodsPeer {
    pub namespaces: Selector,
    /// `None`: all pods of those namespaces.
    pub pods: Option<Selector>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierRule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub name: Option<ArcStr>,
    pub action: Action,
    /// Any of them matches. A peer that can't be read makes the rule fail closed: see [`TierPeer::Unreadable`].
    pub peers: Vec<TierPeer>,
    /// `None` for all ports of all protocols. The list is never empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<TierPort>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// `Allow` in v1alpha1.
    Accept,
    Deny,
    /// Leave the tier.
    Pass,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierPeer {
    Pods(PodsPeer),
    /// Nodes by label: their addresses and the pods in their network. Egress only.
    Nodes(Selector),
    /// Egress only; also pods' addresses.
    Networks(#[schemars(with = "Vec<String>")] Vec<IpNet>),
    /// Egress, Accept only. The name behind an address is not known, so what could match is unknown.
    Domains(#[schemars(with = "Vec<String>")] Vec<ArcStr>),
    /// A field from a newer API. The rule fails closed: Accept matches nothing, Deny and Pass deny everything.
    Unreadable(#[schemars(with = "String")] ArcStr),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TierPort {
    /// Inclusive; a protocol without ports is 0 to 65535.
    Range { protocol: Protocol, first: u16, last: u16 },
    /// A container port's name on the destination pod, with the protocol that it has there.
    Named(#[schemars(with = "String")] ArcStr),
}

/// A policy that could not be read completely.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BrokenPolicy {
    #[schemars(with = "String")]
    pub kind: ArcStr,
    /// Empty for a tiered policy, and for one that may be of any namespace.
    #[schemars(with = "String")]
    pub namespace: ArcStr,
    /// Empty when it stands for all policies of its kind, none of which could be read.
    #[schemars(with = "String")]
    pub name: ArcStr,
    /// The description of what is wrong, naming the field.
    #[schemars(with = "String")]
    pub why: ArcStr,
    /// The pods it selects, where that could be read: of its namespace (NetworkPolicy), or of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<PodsPeer>,
    /// Directions that it may act on.
    pub ingress: bool,
    pub egress: bool,
    /// `None` for a NetworkPolicy. A tiered policy whose tier can't be read counts as Admin: it may decide first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
}

impl BrokenPolicy {
    /// Returns what stands for the policies that may be in a document that can't be read. They may concern every pod.
    #[must_use]
    pub fn in_document(name: ArcStr, why: &str) -> Self {
        let why = arcstr::format!("{why}; a policy may be in it");
        Self { name, ..Self::any_of(arcstr::literal!("document"), why, Some(Tier::Admin)) }
    }

    /// Returns what stands for all objects of a kind while none can be read. They may concern every pod.
    #[must_use]
    pub fn any_of(kind: ArcStr, why: ArcStr, tier: Option<Tier>) -> Self {
        let (namespace, name) = (ArcStr::new(), ArcStr::new());
        Self { kind, namespace, name, why, selector: None, ingress: true, egress: true, tier }
    }

    /// Is true for what only stands for policies: one of a kind that isn't judged, as network plugins have, or a document
    /// that may hold a policy.
    #[must_use]
    pub fn is_unjudged(&self) -> bool {
        self.kind != "NetworkPolicy" && self.kind.parse::<TierKind>().is_err()
    }

    /// Returns its name.
    #[must_use]
    pub fn object_ref(&self) -> ObjectRef {
        ObjectRef::new(self.namespace.clone(), self.name.clone())
    }
}
