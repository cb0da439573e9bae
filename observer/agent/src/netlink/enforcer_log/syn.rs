//! The SYN in a logged packet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const TCP: u8 = 6;
const FIN_SYN_RST_ACK: u8 = 0x17;
const SYN: u8 = 0x02;
/// Extension headers with a length in units of 8 bytes: hop-by-hop options, routing, destination options.
const EXTENSIONS: [u8; 3] = [0, 43, 60];
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
/// Most extension headers that are passed. Real packets have one or two.
const MAX_EXTENSIONS: usize = 8;

/// The part of a SYN that identifies its attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Syn {
    pub(super) src: IpAddr,
    pub(super) sport: u16,
    pub(super) isn: u32,
}

/// Returns the SYN that a packet is; `None` for other packets, and for one that is cut before its flags.
pub(super) fn syn(packet: &[u8]) -> Option<Syn> {
    let (src, segment) = match packet.first()? >> 4 {
        4 => of_ipv4(packet)?,
        6 => of_ipv6(packet)?,
        _ => return None,
    };
    let flags = *segment.get(13)?;
    let (sport, isn) = (u16_at(segment, 0)?, u32_at(segment, 4)?);
    (flags & FIN_SYN_RST_ACK == SYN).then_some(Syn { src, sport, isn })
}

/// Returns the source and the TCP segment.
fn of_ipv4(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let is_first = u16_at(packet, 6)? & 0x1fff == 0;
    let is_tcp = *packet.get(9)? == TCP && is_first && header >= 20;
    let src: [u8; 4] = *packet.get(12..)?.first_chunk()?;
    is_tcp.then_some((Ipv4Addr::from(src).into(), packet.get(header..)?))
}

/// Returns the source and the TCP segment behind the extension headers.
fn of_ipv6(packet: &[u8]) -> Option<(IpAddr, &[u8])> {
    let src: [u8; 16] = *packet.get(8..)?.first_chunk()?;
    let (mut kind, mut rest) = (*packet.get(6)?, packet.get(40..)?);
    for _ in 0..MAX_EXTENSIONS {
        let length = match kind {
            TCP => return Some((Ipv6Addr::from(src).into(), rest)),
            FRAGMENT if u16_at(rest, 2)? & 0xfff8 == 0 => 8,
            AUTHENTICATION => (usize::from(*rest.get(1)?) + 2) * 4,
            _ if EXTENSIONS.contains(&kind) => (usize::from(*rest.get(1)?) + 1) * 8,
            _ => return None,
        };
        kind = *rest.first()?;
        rest = rest.get(length..)?;
    }
    None
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().map(|raw| u16::from_be_bytes(*raw))
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().map(|raw| u32::from_be_bytes(*raw))
}

#[cfg(test)]
mod tests;
