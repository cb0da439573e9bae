//! What enforces policies in a cluster, and how its packets travel.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{as_str, unknown_name};

as_str!(Enforcer);

/// The way from a node to the pods of other nodes, which decides under which address they see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Route {
    #[default]
    Unknown,
    /// Through a tunnel of flannel, whose device has the first address of the node's pod network.
    Tunnel,
    /// Along routes between the nodes, under the node's own address.
    Direct,
}

impl Route {
    pub(crate) fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

/// The enforcer of the NetworkPolicies, by which the verdicts differ from the specification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Enforcer {
    /// None is known: the specification decides.
    #[default]
    Spec,
    /// kube-router, which is part of k3s.
    KubeRouter,
    /// Calico, also as a part of Canal.
    Calico,
    Cilium,
}

/// A DNS cache in the network of every node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalDns {
    /// The addresses on which it listens; empty where its arguments are not known.
    pub ips: Vec<IpAddr>,
}
