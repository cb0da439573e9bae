//! What is known of a VIP, as `/api/v1/vips` tells it.

use std::net::IpAddr;

use arcstr::ArcStr;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::mac::Mac;
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

/// Where a claim comes from: the `source` label. The order is that of trust: the wire knows best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClaimSource {
    Wire,
    L2Status,
    Lease,
    Event,
    Ingress,
}

/// What distinguishes one source of claims. A source without a row in [`ClaimSource::traits`] does not compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceTraits {
    /// The label; the same as in JSON.
    pub label: &'static str,
    /// Ends the sentence of a flap that only this source shows: ` according to its Lease`.
    pub according_to: &'static str,
    /// How the source relates to what is seen on the wire.
    pub wire: WireAgreement,
    /// A change of the node that it names is a move of the address.
    pub shows_moves: bool,
    /// A Service has one object of this source. Several for longer than a move takes are a conflict.
    pub one_per_service: bool,
    /// The resource, as `kubectl delete` takes it, whose deletion makes the announcer write a correct object.
    pub mended_by_deleting: Option<&'static str>,
    /// It names all nodes that answer, each at its own address only.
    pub each_at_own_address: bool,
}

/// How a source relates to what is seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireAgreement {
    /// It is the wire, or says nothing about it.
    NotComparable,
    /// Its objects describe the present, so they have to agree with the wire.
    Present,
    /// Its objects describe one moment. They have to agree only where the same Service has no object of the present.
    Moment,
}

impl ClaimSource {
    /// Returns the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.traits().label
    }

    /// Returns the row of this source.
    #[must_use]
    pub const fn traits(self) -> SourceTraits {
        const OTHER: SourceTraits = SourceTraits {
            label: "",
            according_to: "",
            wire: WireAgreement::NotComparable,
            shows_moves: true,
            one_per_service: false,
            mended_by_deleting: None,
            each_at_own_address: false,
        };
        match self {
            Self::Wire => SourceTraits { label: "wire", ..OTHER },
            Self::L2Status => SourceTraits {
                label: "l2status",
                according_to: " according to its ServiceL2Status",
                wire: WireAgreement::Present,
                one_per_service: true,
                mended_by_deleting: Some("servicel2status.metallb.io"),
                ..OTHER
            },
            Self::Lease => SourceTraits {
                label: "lease",
                according_to: " according to its Lease",
                wire: WireAgreement::Present,
                ..OTHER
            },
            Self::Event => SourceTraits {
                label: "event",
                according_to: " according to its events",
                wire: WireAgreement::Moment,
                ..OTHER
            },
            Self::Ingress => SourceTraits {
                label: "ingress",
                according_to: " according to its Service's status",
                shows_moves: false,
                each_at_own_address: true,
                ..OTHER
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClaimSource::{Event, Ingress, L2Status, Lease, Wire};

    #[test]
    fn a_source_has_one_name_in_json_and_in_labels() {
        for source in [Wire, L2Status, Lease, Event, Ingress] {
            assert_eq!(serde_json::to_value(source).unwrap(), source.as_str());
        }
    }
}
