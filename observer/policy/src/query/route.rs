//! The connections that a question stands for.

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_identity::{Behind, Way};
use flow_model::policies::Protocol;

use crate::query::side::Side;

/// Describes one place where a connection may end, after DNAT.
#[derive(Clone, Debug)]
pub(super) struct End<'a> {
    pub(super) side: Side<'a>,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
    /// The node that it is on.
    pub(super) node: Option<&'a ArcStr>,
}

impl<'a> End<'a> {
    /// Describes a side as an end, on the node of its pod.
    pub(super) fn new(side: Side<'a>, port: u16, protocol: Protocol) -> Self {
        let node = side.node();
        Self { side, port, protocol, node }
    }
}

/// Lists all places where it may end.
#[derive(Clone, Debug)]
pub(super) struct Route<'a> {
    pub(super) way: Way<'a>,
    /// What was asked for, with its kind: `Service data/db`.
    pub(super) what: String,
    /// The Service on the way, with its port.
    pub(super) service: Option<String>,
    pub(super) ends: Vec<End<'a>>,
    /// What the connection meets further on, which nothing here can judge.
    pub(super) beyond: Option<String>,
    /// The address that the client uses, where the question names one.
    pub(super) address: Option<IpAddr>,
}

impl<'a> Route<'a> {
    /// Leads straight to these ends.
    pub(super) fn straight(what: String, ends: Vec<End<'a>>) -> Self {
        Self { way: Way::Straight, what, service: None, ends, beyond: None, address: None }
    }

    /// Returns the Service port on the way, unless a name leads past it.
    pub(super) fn behind(&self) -> Option<Behind<'a>> {
        match self.way {
            Way::Behind(behind) => Some(behind),
            Way::Straight | Way::HostPort(_) | Way::Beyond(_) => None,
        }
    }

    /// Returns the only end there is, else what they are behind, for a sentence.
    pub(super) fn label(&self) -> String {
        match &*self.ends {
            [end] => end.to_string(),
            [] => match self.behind() {
                Some(behind) => format!("{}/{}", at(&behind), behind.port().protocol),
                None => self.what.clone(),
            },
            [first, ..] => {
                let (at, kind) = match (&self.service, self.behind()) {
                    (Some(service), Some(behind)) => {
                        (format!("{service}/{}", behind.port().protocol), "backends")
                    }
                    (Some(service), None) => (format!("{service}/{}", first.protocol.as_str()), "backends"),
                    (None, _) => {
                        (format!("{}:{}/{}", self.what, first.port, first.protocol.as_str()), "pods")
                    }
                };
                format!("{at} ({} {kind})", self.ends.len())
            }
        }
    }
}

/// Names the Service and the port.
pub(super) fn at(behind: &Behind<'_>) -> String {
    format!("{}:{}", behind.service().object_ref(), behind.port().port)
}

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side: Side { label, remark, .. }, port, protocol, .. } = self;
        match label.contains(':') {
            true => write!(f, "[{label}]")?,
            false => write!(f, "{label}")?,
        }
        write!(f, ":{port}/{}", protocol.as_str())?;
        remark.iter().try_for_each(|remark| write!(f, " ({remark})"))
    }
}
