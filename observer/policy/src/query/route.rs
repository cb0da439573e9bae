//! The connections that a question stands for.

use std::fmt;

use flow_identity::Behind;
use flow_model::policies::Protocol;

use crate::query::side::Side;

/// Describes one place where a connection may end, after DNAT.
#[derive(Clone, Debug)]
pub(super) struct End<'a> {
    pub(super) side: Side<'a>,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
}

/// Lists all places where it may end.
#[derive(Clone, Debug)]
pub(super) struct Route<'a> {
    /// The Service port on the way.
    pub(super) behind: Option<Behind<'a>>,
    pub(super) ends: Vec<End<'a>>,
}

impl<'a> Route<'a> {
    /// Leads straight to one side.
    pub(super) fn direct(side: Side<'a>, port: u16, protocol: Protocol) -> Self {
        Self { behind: None, ends: vec![End { side, port, protocol }] }
    }

    /// Returns the only end there is, else the Service, for a sentence.
    pub(super) fn label(&self) -> String {
        match (&*self.ends, self.behind) {
            ([end], _) => end.to_string(),
            (ends, Some(behind)) => {
                let at = format!("{}/{}", at(&behind), behind.port().protocol);
                if ends.is_empty() { at } else { format!("{at} ({} backends)", ends.len()) }
            }
            (_, None) => String::new(),
        }
    }

    /// Returns the Service and its port, for a sentence.
    pub(super) fn service_label(&self) -> Option<String> {
        self.behind.as_ref().map(at)
    }
}

fn at(behind: &Behind<'_>) -> String {
    format!("{}:{}", behind.service().object_ref(), behind.port().port)
}

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side: Side { label, remark, .. }, port, protocol } = self;
        match label.contains(':') {
            true => write!(f, "[{label}]")?,
            false => write!(f, "{label}")?,
        }
        write!(f, ":{port}/{}", protocol.as_str())?;
        remark.iter().try_for_each(|remark| write!(f, " ({remark})"))
    }
}
