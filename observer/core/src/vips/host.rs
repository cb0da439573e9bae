//! A host that has a VIP.

use std::fmt;

use arcstr::ArcStr;
use flow_model::mac::Mac;

/// A host that has a VIP, by the best name known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A node, or the name that an object of the API gives.
    Named(ArcStr),
    /// A host of which only the Ethernet address is known.
    Unnamed(Mac),
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::Unnamed(mac) => write!(f, "MAC {mac}"),
        }
    }
}

impl Host {
    /// Returns the name, where one is known.
    #[must_use]
    pub fn name(&self) -> Option<&ArcStr> {
        match self {
            Self::Named(name) => Some(name),
            Self::Unnamed(_) => None,
        }
    }
}
