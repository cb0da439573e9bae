//! The connections that one flow may be.

use flow_model::connection::{Connection, Party};

use crate::behind::Behind;
use crate::host_port::HostPort;
use crate::passage::Passage;

/// The connections that a flow may be after DNAT. Policies judge each; only what holds for all is certain.
#[derive(Clone, Copy, Debug)]
pub struct Possible<'a> {
    seen: Connection<'a>,
    way: Way<'a>,
    /// The client as the server sees it, where that was seen.
    source: Option<Party<'a>>,
}

/// The way from the address that the client uses to the server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way<'a> {
    Straight,
    Behind(Behind<'a>),
    HostPort(HostPort<'a>),
}

impl<'a> Possible<'a> {
    /// Describes the connection that was seen, or, with a Service port, those to what is behind it.
    #[must_use]
    pub fn new(seen: Connection<'a>, behind: Option<Behind<'a>>) -> Self {
        Self { seen, way: behind.map_or(Way::Straight, Way::Behind), source: None }
    }

    pub(super) fn along(seen: Connection<'a>, way: Way<'a>, source: Option<Party<'a>>) -> Self {
        Self { seen, way, source }
    }

    /// Returns the Service port on the way. Without one there is only one server.
    #[must_use]
    pub fn behind(&self) -> Option<Behind<'a>> {
        match self.way {
            Way::Behind(behind) => Some(behind),
            Way::Straight | Way::HostPort(_) => None,
        }
    }

    /// Is true when the client may arrive under more addresses than one.
    #[must_use]
    pub fn may_be_masqueraded(&self) -> bool {
        let mut passages = self.passages();
        let Some(first) = passages.next() else { return false };
        passages.any(|other| other.arriving.src.ip != first.arriving.src.ip)
    }

    /// Returns each connection as the policies meet it: from every address under which the client may arrive, to every
    /// place where it may end. There is none where the Service has no backend.
    pub fn passages(&self) -> impl Iterator<Item = Passage<'a>> + use<'a> {
        let Self { seen, way, source } = *self;
        let straight = matches!(way, Way::Straight).then(|| Passage::unchanged(seen));
        let behind = if let Way::Behind(behind) = way { Some(behind) } else { None };
        let host_port = if let Way::HostPort(host_port) = way { Some(host_port) } else { None };
        let all = straight
            .into_iter()
            .chain(behind.into_iter().flat_map(move |behind| behind.seen_from(source).passages(seen.src)))
            .chain(host_port.into_iter().flat_map(move |host_port| host_port.passages(seen.src)));
        all.map(move |passage| match source {
            Some(src) => Passage { arriving: Connection { src, ..passage.arriving }, ..passage },
            None => passage,
        })
    }
}
