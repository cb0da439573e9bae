//! Encodes and decodes messages of the packet log:
//! <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/netfilter/nfnetlink_log.h>.

use crate::netlink::wire::{attributes, put};

/// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET`.
const PACKET: u16 = 0x400;
/// `NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG`.
pub(super) const CONFIG: u16 = 0x401;
/// `sizeof(struct nfgenmsg)`.
const NFGENMSG: usize = 4;
const NFULA_CFG_CMD: u16 = 1;
const NFULA_CFG_MODE: u16 = 2;
const NFULA_CFG_QTHRESH: u16 = 5;
const NFULA_CFG_FLAGS: u16 = 6;
const NFULNL_CFG_CMD_BIND: u8 = 1;
const NFULNL_COPY_PACKET: u8 = 2;
const NFULNL_CFG_F_SEQ: u16 = 1;
const NFULA_PAYLOAD: u16 = 9;
const NFULA_PREFIX: u16 = 10;
const NFULA_SEQ: u16 = 12;
/// Bytes of each packet: IPv4 with all options, or IPv6 with some extension headers, and the beginning of TCP.
const COPIED: u32 = 128;
/// Lines that the kernel collects before it sends them. By default it waits for 100, or a second.
const COLLECTED: u32 = 1;

/// A line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The text that the rule puts before its packets; empty without one.
    pub(super) prefix: &'a [u8],
    /// The packet from its IP header on.
    pub(super) packet: &'a [u8],
    /// The line's number in its group.
    pub(super) number: Option<u32>,
}

/// Returns the body of the request to become the reader of a group: lines come one by one, numbered, with the packet's
/// beginning.
pub(super) fn bind(group: u16) -> Vec<u8> {
    let [high, low] = group.to_be_bytes();
    let mut body = vec![0, 0, high, low];
    put(&mut body, NFULA_CFG_CMD, &[NFULNL_CFG_CMD_BIND]);
    let [a, b, c, d] = COPIED.to_be_bytes();
    put(&mut body, NFULA_CFG_MODE, &[a, b, c, d, NFULNL_COPY_PACKET, 0]);
    put(&mut body, NFULA_CFG_QTHRESH, &COLLECTED.to_be_bytes());
    put(&mut body, NFULA_CFG_FLAGS, &NFULNL_CFG_F_SEQ.to_be_bytes());
    body
}

/// Decodes a line; `None` for another message, and for one without a packet.
pub(super) fn line(kind: u16, body: &[u8]) -> Option<Line<'_>> {
    if kind != PACKET {
        return None;
    }
    let (mut prefix, mut packet, mut number): (&[u8], _, _) = (&[], None, None);
    for (kind, value) in attributes(body.get(NFGENMSG..)?) {
        match kind {
            NFULA_PREFIX => prefix = value.strip_suffix(&[0]).unwrap_or(value),
            NFULA_PAYLOAD => packet = Some(value),
            NFULA_SEQ => number = value.try_into().ok().map(u32::from_be_bytes),
            _ => {}
        }
    }
    Some(Line { prefix, packet: packet?, number })
}

#[cfg(test)]
mod tests;
