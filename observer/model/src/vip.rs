//! Load-balancer addresses (VIPs), as `/api/v1/vips` shows them.

use std::net::IpAddr;

use arcstr::ArcStr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::mac::Mac;
use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;

as_str!(ClaimSource);

/// A load-balancer address.
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

/// A load-balancer address, and what an agent has not heard of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownVip {
    #[serde(flatten)]
    pub vip: Vip,
    /// Without a claimant: the time since which the agent has listened for one and heard none. It is the time at which it
    /// learnt of the address, shortly after its start or later. Hosts announce an address when they take it over, and may
    /// not do so again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_heard_since: Option<Timestamp>,
}

/// A host that claims the address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    pub mac: Mac,
    /// The node that has this MAC, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub node: Option<ArcStr>,
    /// First and last announcement of this claim, or first and last connection that shows it.
    pub since: Timestamp,
    pub last_seen: Timestamp,
    /// No announcement was seen: the node that reports this receives connections to the address by an uplink, as several may
    /// behind a router. The MAC is then that of the interface with the node's own address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub received: bool,
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
    /// The time at which the object first named it, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// The source of a claim: the `source` label. The order is that of trust: the wire knows best.
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

/// The traits that distinguish one source of claims. A source without a row in [`ClaimSource::traits`] does not
/// compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTraits {
    /// Ends the sentence of a flap that only this source shows: ` according to its Lease`.
    pub according_to: &'static str,
    /// Its objects describe the present, so they have to agree with the wire. An Event describes one moment: nothing
    /// takes it back when the address moves.
    pub describes_the_present: bool,
    /// A change of the node that it names is a move of the address.
    pub shows_moves: bool,
    /// A Service has one object of this source. Several for longer than a move takes are a conflict.
    pub one_per_service: bool,
    /// The resource, as `kubectl delete` takes it, whose deletion makes the announcer write a correct object.
    pub mended_by_deleting: Option<&'static str>,
    /// It names all nodes that answer, each at its own address only.
    pub each_at_own_address: bool,
}

impl ClaimSource {
    /// Returns the row of this source.
    #[must_use]
    pub const fn traits(self) -> SourceTraits {
        const OTHER: SourceTraits = SourceTraits {
            according_to: "",
            describes_the_present: false,
            shows_moves: true,
            one_per_service: false,
            mended_by_deleting: None,
            each_at_own_address: false,
        };
        match self {
            Self::Wire => SourceTraits { ..OTHER },
            Self::L2Status => SourceTraits {
                according_to: " according to its ServiceL2Status",
                describes_the_present: true,
                one_per_service: true,
                mended_by_deleting: Some("servicel2status.metallb.io"),
                ..OTHER
            },
            Self::Lease => {
                SourceTraits { according_to: " according to its Lease", describes_the_present: true, ..OTHER }
            }
            Self::Event => SourceTraits { according_to: " according to its events", ..OTHER },
            Self::Ingress => SourceTraits {
                according_to: " according to its Service's status",
                shows_moves: false,
                each_at_own_address: true,
                ..OTHER
            },
        }
    }
}

#[cfg(test)]
mod tests;
