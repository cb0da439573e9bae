//! Reads the table once: conntrack's, or the other one where conntrack has no entries.

use flow_model::flow::FlowTuple;
use flow_model::input::HalfOpen;
use tracing::warn;

use crate::netlink::connections::half_open::HalfOpens;
use crate::netlink::connections::source::{Listing, Source, Table};
use crate::netlink::conntrack::{Conn, State, connections};
use crate::netlink::error::NetlinkError;

/// The range of connections that a read found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// All of them, also those older than the agent, as conntrack has them.
    Conntrack,
    /// All of them, from another table.
    Everything,
    /// Those that opened since the agent started.
    Recent,
}

/// Reads the table, and changes to the other one where conntrack can't be read.
pub(super) struct Reader {
    source: Source,
    /// The half-open handshakes that the last read found.
    half_open: HalfOpens,
    /// Is true once conntrack had an entry: an empty conntrack then means that connections ended, not that it is off.
    tracks: bool,
}

impl Reader {
    pub(super) fn new(source: Source) -> Self {
        Self { source, half_open: HalfOpens::default(), tracks: false }
    }

    /// Returns the servers with many half-open handshakes that the last read found.
    pub(super) fn take_half_open(&mut self) -> Vec<HalfOpen> {
        std::mem::take(&mut self.half_open).report()
    }

    /// Passes the established connections to `each`, with what conntrack says of them; one may come twice.
    pub(super) async fn read(
        &mut self,
        mut each: impl FnMut(FlowTuple, Option<&Conn>),
    ) -> Result<From, NetlinkError> {
        let otherwise = match &mut self.source {
            Source::Table(table) => return from_table(table, each),
            Source::Conntrack { otherwise } => otherwise,
        };
        let mut tracks = self.tracks;
        let half_open = &mut self.half_open;
        let dumped = connections(|conn| {
            tracks = true;
            half_open.see(&conn);
            if let Some(tuple) = open(&conn) {
                each(tuple, Some(&conn));
            }
        });
        let dumped = dumped.await;
        self.tracks = tracks;
        match (dumped, otherwise) {
            // Without a rule that needs it, the kernel tracks nothing, and its table is empty.
            (Ok(()), Some(table)) if !tracks => from_table(table, each),
            (Ok(()), _) => Ok(From::Conntrack),
            (
                Err(error @ (NetlinkError::NoConntrack(_) | NetlinkError::ConntrackDenied(_))),
                otherwise @ Some(_),
            ) => {
                warn!(%error, "open connections are read from sockets, or from the probes' table");
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

fn from_table(
    table: &mut Table,
    mut each: impl FnMut(FlowTuple, Option<&Conn>),
) -> Result<From, NetlinkError> {
    let Listing { open, all } = table().map_err(NetlinkError::Table)?;
    open.into_iter().filter(|tuple| !is_local(tuple)).for_each(|tuple| each(tuple, None));
    Ok(if all { From::Everything } else { From::Recent })
}

/// Returns a connection as the client addressed it; `None` if it is not open, or only on loopback.
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
mod tests;
