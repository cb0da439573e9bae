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
pub enum Way<'a> {
    /// To the address itself.
    Straight,
    /// Through a port of a Service.
    Behind(Behind<'a>),
    /// Through a port of a node.
    HostPort(HostPort<'a>),
    /// To a place that nothing here can judge, with the reason.
    Beyond(&'static str),
}

impl<'a> Possible<'a> {
    /// Describes the connection that was seen, on the way that it takes.
    #[must_use]
    pub fn along(seen: Connection<'a>, way: Way<'a>) -> Self {
        Self { seen, way, source: None }
    }

    /// Sets the address under which the server sees the client, where that was seen.
    pub(super) fn seen_from(self, source: Option<Party<'a>>) -> Self {
        Self { source, ..self }
    }

    /// Returns the way from the address that the client uses to the server.
    #[must_use]
    pub fn way(&self) -> Way<'a> {
        self.way
    }

    /// Returns why the connection can't be judged, where it ends at a place that nothing here knows.
    #[must_use]
    pub fn beyond(&self) -> Option<&'static str> {
        if let Way::Beyond(why) = self.way { Some(why) } else { None }
    }

    /// Returns the Service port on the way. Without one there is only one server.
    #[must_use]
    pub fn behind(&self) -> Option<Behind<'a>> {
        match self.way {
            Way::Behind(behind) => Some(behind),
            Way::Straight | Way::HostPort(_) | Way::Beyond(_) => None,
        }
    }

    /// Is true when the client may arrive at one place under more addresses than one.
    #[must_use]
    pub fn may_be_masqueraded(&self) -> bool {
        let place = |passage: &Passage<'_>| (passage.arriving.dst.ip, passage.arriving.port);
        let following = self.passages().zip(self.passages().skip(1));
        // The passages to one place follow each other.
        { following }.any(|(a, b)| place(&a) == place(&b) && a.arriving.src.ip != b.arriving.src.ip)
    }

    /// Returns each connection as the policies meet it: from every address under which the client may arrive, to every
    /// place where it may end. There is none where the Service has no backend, or where the way leads beyond.
    pub fn passages(&self) -> impl Iterator<Item = Passage<'a>> + use<'a> {
        let Self { seen, way, source } = *self;
        // What was seen takes the place of every address under which the client may arrive.
        let sources = if source.is_some() { 1 } else { usize::MAX };
        let straight = matches!(way, Way::Straight).then(|| Passage::unchanged(seen));
        let behind = if let Way::Behind(behind) = way { Some(behind) } else { None };
        let host_port = if let Way::HostPort(host_port) = way { Some(host_port) } else { None };
        let all = straight
            .into_iter()
            .chain(behind.into_iter().flat_map(move |behind| {
                let ends = behind.ends_for(seen.src);
                ends.flat_map(move |end| behind.passages_to(seen.src, end).take(sources))
            }))
            .chain(host_port.into_iter().flat_map(move |port| port.passages(seen.src).take(sources)));
        all.map(move |passage| match source {
            Some(src) => Passage { arriving: Connection { src, ..passage.arriving }, ..passage },
            None => passage,
        })
    }
}
