//! Load-balancer addresses (VIPs), as `/api/v1/vips` shows them.

use std::net::IpAddr;

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::mac::Mac;
use crate::names::unknown_name;
use crate::object_ref::ObjectRef;

/// One load-balancer address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Vip {
    pub ip: IpAddr,
    /// `namespace/name` of the Services that have it; empty for one that only `--vip` names.
    pub services: Vec<ObjectRef>,
    /// The host that claims it on the network now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimant: Option<Claim>,
    /// Earlier claims and the current one, oldest first, bounded.
    pub history: Vec<Claim>,
    /// Changes of the claimant since the agent started.
    pub moves: u64,
    /// The announcers according to the API, from each source separately.
    pub api: Vec<ApiClaim>,
}

/// A host that claims the address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub mac: Mac,
    /// The node that has this MAC, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// First and last announcement of this claim.
    pub since: Timestamp,
    pub last_seen: Timestamp,
}

/// An announcer according to the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApiClaim {
    pub source: ClaimSource,
    /// `namespace/name` of the object that names the announcer.
    pub object: ObjectRef,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// When the object first named it, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The source of a claim: the `source` label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
#[schemars(rename = "ApiSource")]
pub enum ClaimSource {
    /// Announcements on the network. Answers of the API have a `source` for the other ones only.
    #[schemars(skip)]
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
