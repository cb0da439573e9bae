//! Handshakes that the client has not completed, by server: conntrack saw the SYN-ACK and waits for its acknowledgement.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flow_model::input::HalfOpen;

use crate::netlink::conntrack::{Conn, State};

/// Fewer than this are usual: a handshake takes a moment.
const LEAST: u64 = 10;
/// Servers that are told apart while the table is read.
const MAX_SERVERS: usize = 16_384;
/// Sources that are told apart for each server.
const MAX_SOURCES: usize = 256;
/// Servers that are reported, those with the most first.
const MAX_REPORTED: usize = 64;

/// Counts half-open handshakes while the table is read.
#[derive(Debug, Default)]
pub(super) struct HalfOpens(BTreeMap<(IpAddr, u16), (u64, BTreeSet<IpAddr>)>);

impl HalfOpens {
    pub(super) fn see(&mut self, conn: &Conn) {
        if conn.state != State::Answered || conn.orig_src.is_loopback() || conn.orig_dst.is_loopback() {
            return;
        }
        let key = (conn.orig_dst, conn.orig_dport);
        if self.0.len() >= MAX_SERVERS && !self.0.contains_key(&key) {
            return;
        }
        let (count, sources) = self.0.entry(key).or_default();
        *count += 1;
        if sources.len() < MAX_SOURCES {
            sources.insert(conn.orig_src);
        }
    }

    /// Returns the servers with more than usual.
    pub(super) fn report(self) -> Vec<HalfOpen> {
        let many = self.0.into_iter().filter(|(_, (count, _))| *count >= LEAST);
        let mut servers: Vec<HalfOpen> = many
            .filter_map(|((dst, dport), (count, sources))| {
                let src = *sources.first()?;
                Some(HalfOpen { dst, dport, count, sources: sources.len(), src })
            })
            .collect();
        servers.sort_by_key(|server| std::cmp::Reverse(server.count));
        servers.truncate(MAX_REPORTED);
        servers
    }
}

#[cfg(test)]
mod tests;
