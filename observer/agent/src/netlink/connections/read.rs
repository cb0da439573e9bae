//! One look at the table: conntrack's, or the other one where conntrack has nothing to say.

use flow_model::flow::FlowTuple;
use tracing::warn;

use crate::netlink::NetlinkError;
use crate::netlink::connections::{Listing, Source, Table};
use crate::netlink::conntrack::{Conn, State, connections};

/// Who told the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// Conntrack, or a table that knows as much: also what is older than the agent.
    Everything,
    /// A table of what opened since.
    Recent,
}

pub(super) struct Reader {
    source: Source,
    /// Conntrack had an entry once, so an empty one has ended connections and is not asleep.
    tracks: bool,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Self { source, tracks: false }
    }

    /// Hands over the established connections; one may come twice.
    pub(super) async fn read(&mut self, mut each: impl FnMut(FlowTuple)) -> Result<From, NetlinkError> {
        let otherwise = match &mut self.source {
            Source::Table(table) => return from_table(table, each),
            Source::Conntrack { otherwise } => otherwise,
        };
        let mut tracks = self.tracks;
        let dumped = connections(|conn| {
            tracks = true;
            if let Some(tuple) = open(&conn) {
                each(tuple);
            }
        });
        let dumped = dumped.await;
        self.tracks = tracks;
        match (dumped, otherwise) {
            // Without a rule that needs it, the kernel tracks nothing and says so with an empty table.
            (Ok(()), Some(table)) if !tracks => from_table(table, each),
            (Ok(()), _) => Ok(From::Everything),
            (
                Err(error @ (NetlinkError::NoConntrack(_) | NetlinkError::ConntrackDenied(_))),
                otherwise @ Some(_),
            ) => {
                warn!(%error, "open connections are read from sockets, or from what the probes saw open");
                self.source = otherwise.take().map_or(Source::Conntrack { otherwise: None }, Source::Table);
                match &mut self.source {
                    Source::Table(table) => from_table(table, each),
                    Source::Conntrack { .. } => Err(error),
                }
            }
            (Err(error), _) => Err(error),
        }
    }
}

fn from_table(table: &mut Table, each: impl FnMut(FlowTuple)) -> Result<From, NetlinkError> {
    let Listing { open, all } = table().map_err(NetlinkError::Table)?;
    open.into_iter().filter(|tuple| !is_local(tuple)).for_each(each);
    Ok(if all { From::Everything } else { From::Recent })
}

/// As the client addressed it; `None` for what is not open, or only on loopback.
fn open(conn: &Conn) -> Option<FlowTuple> {
    let tuple = FlowTuple {
        src: conn.orig_src,
        sport: conn.orig_sport,
        dst: conn.orig_dst,
        dport: conn.orig_dport,
        backend: conn.backend(),
    };
    (conn.state == State::Established && !is_local(&tuple)).then_some(tuple)
}

fn is_local(tuple: &FlowTuple) -> bool {
    let FlowTuple { src, dst, backend, .. } = tuple;
    src.is_loopback() || dst.is_loopback() || backend.is_some_and(|(ip, _)| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conn(src: &str, dst: &str, backend: &str, state: State) -> Conn {
        let ip = |s: &str| s.parse().unwrap();
        Conn {
            orig_src: ip(src),
            orig_dst: ip(dst),
            orig_sport: 40_000,
            orig_dport: 80,
            reply_src: ip(backend),
            // Masqueraded: the client is still the one that opened it.
            reply_dst: ip("192.0.2.1"),
            reply_sport: 8080,
            reply_dport: 50_000,
            state,
        }
    }

    #[test]
    fn the_client_and_what_it_addressed_with_the_backend() {
        let tuple = open(&conn("10.42.0.10", "10.43.0.9", "10.42.0.12", State::Established)).unwrap();
        let expected = FlowTuple {
            src: "10.42.0.10".parse().unwrap(),
            sport: 40_000,
            dst: "10.43.0.9".parse().unwrap(),
            dport: 80,
            backend: Some(("10.42.0.12".parse().unwrap(), 8080)),
        };
        assert_eq!(tuple, expected);
    }

    #[test]
    fn only_what_is_open_and_leaves_loopback() {
        for state in [State::Opening, State::Closing, State::Closed] {
            assert_eq!(open(&conn("10.42.0.10", "10.43.0.9", "10.42.0.12", state)), None);
        }
        for (src, dst, backend) in [
            ("127.0.0.1", "10.43.0.9", "10.42.0.12"),
            ("10.42.0.10", "127.0.0.53", "10.42.0.12"),
            ("10.42.0.10", "10.43.0.9", "127.0.0.1"),
            ("::1", "::1", "::1"),
        ] {
            assert_eq!(open(&conn(src, dst, backend, State::Established)), None, "{src} {dst} {backend}");
        }
    }
}
