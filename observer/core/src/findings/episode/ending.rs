//! The reasons why episodes end, as sentences.

use std::fmt::{self, Display};
use std::net::IpAddr;

use flow_model::finding::FindingSource;
use jiff::{SignedDuration, Timestamp};

/// The reason why an episode ended. Sentences give times to the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::findings) enum Ending {
    /// Attempts have succeeded since then.
    Works(Timestamp),
    /// The policies have been enforced since then.
    Enforced(Timestamp),
    /// Nothing failed for this long.
    Quiet(SignedDuration),
    /// The policies have allowed it since then.
    Allowed(Timestamp),
    /// It was one of many failures of a scan by this source.
    PartOfScan(IpAddr),
    /// It gave way to others.
    CrowdedOut,
    /// The detector gave the reason.
    Reported(String),
    /// The detector no longer reports it, and gave no reason.
    NotReported(FindingSource),
}

impl Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works(since) => write!(f, "attempts have succeeded since {since:.0}"),
            Self::Enforced(since) => write!(f, "the policies have been enforced since {since:.0}"),
            Self::Quiet(long) => write!(f, "no attempt has failed for {long:#}"),
            Self::Allowed(since) => write!(f, "the policies allow it since {since:.0}"),
            Self::PartOfScan(source) => write!(f, "it is part of a port scan by {source}"),
            Self::CrowdedOut => f.write_str("forgotten: there are too many findings"),
            Self::Reported(because) => f.write_str(because),
            Self::NotReported(FindingSource::OpenConnections) => {
                f.write_str("no connection that the policies would refuse is open any more")
            }
            Self::NotReported(FindingSource::BlindSpots) => {
                f.write_str("the agent can see that traffic again")
            }
            Self::NotReported(_) => f.write_str("it is no longer found"),
        }
    }
}
