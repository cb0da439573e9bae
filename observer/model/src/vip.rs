//! What is known of a VIP, as `/api/v1/vips` tells it.

use std::net::IpAddr;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::mac::Mac;
use crate::names::unknown_name;
use crate::object_ref::ObjectRef;

/// One load-balancer address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vip {
    pub ip: IpAddr,
    /// `namespace/name` of the Services that have it; empty for one that only `--vip` names.
    pub services: Vec<ObjectRef>,
    /// Who claims it on the wire now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimant: Option<Claim>,
    /// Claims that changed hands, oldest first, bounded; the first is where it began.
    pub history: Vec<Claim>,
    /// Changes of the claimant since the agent started.
    pub moves: u64,
    /// What the API says, each source for itself.
    pub api: Vec<ApiClaim>,
}

/// A host that claims the address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub mac: Mac,
    /// The node that has this MAC, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<ArcStr>,
    /// First and last announcement of this claim.
    pub since: Timestamp,
    pub last_seen: Timestamp,
}

/// An announcer according to the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiClaim {
    pub source: ClaimSource,
    /// `namespace/name` of the object that says so.
    pub object: ObjectRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<ArcStr>,
    /// When the object said it first, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// Where a claim is told: the `source` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum ClaimSource {
    Wire,
    L2Status,
    Lease,
    Event,
    Ingress,
}

impl ClaimSource {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
