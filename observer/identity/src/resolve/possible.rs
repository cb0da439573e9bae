//! The connections that one flow may be.

use flow_model::connection::Connection;

use crate::behind::Behind;

/// The connections that a flow may be after DNAT. Policies judge each; only what holds for all is certain.
#[derive(Clone, Copy, Debug)]
pub struct Possible<'a> {
    seen: Connection<'a>,
    behind: Option<Behind<'a>>,
}

impl<'a> Possible<'a> {
    /// Describes the connection that was seen, or, with a Service port, those to what is behind it.
    #[must_use]
    pub fn new(seen: Connection<'a>, behind: Option<Behind<'a>>) -> Self {
        Self { seen, behind }
    }

    /// Returns the Service port whose backend was not seen. Without one there is exactly one connection.
    #[must_use]
    pub fn behind(&self) -> Option<Behind<'a>> {
        self.behind
    }

    /// Is true when the client may arrive under more addresses than its own.
    #[must_use]
    pub fn may_be_masqueraded(&self) -> bool {
        self.behind.is_some_and(|behind| behind.sources(self.seen.src).nth(1).is_some())
    }

    /// Returns each connection: from every address under which the client may arrive to every place where it may end.
    /// There is none where the Service has no backend.
    pub fn connections(&self) -> impl Iterator<Item = Connection<'a>> + use<'a> {
        let seen = self.seen;
        let only = self.behind.is_none().then_some(seen);
        // Each end is looked up once; the sources are at hand.
        let several = self.behind.into_iter().flat_map(move |behind| {
            behind.ends().flat_map(move |end| {
                behind.sources(seen.src).map(move |src| Connection {
                    src,
                    dst: end.party,
                    protocol: seen.protocol,
                    port: end.backend.port,
                })
            })
        });
        only.into_iter().chain(several)
    }
}
