//! Reads the few header fields that are needed from an skb.

use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::bpf_skb_load_bytes;

pub(super) const ETH_P_IP: u16 = 0x0800;
pub(super) const ETH_P_ARP: u16 = 0x0806;
pub(super) const ETH_P_IPV6: u16 = 0x86dd;
pub(super) const ETH_P_8021Q: u16 = 0x8100;
pub(super) const ETH_P_8021AD: u16 = 0x88a8;
pub(super) const ETH_HLEN: u32 = 14;

pub(super) const IPPROTO_ICMP: u8 = 1;
pub(super) const IPPROTO_TCP: u8 = 6;
pub(super) const IPPROTO_UDP: u8 = 17;
pub(super) const IPPROTO_ICMPV6: u8 = 58;

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

const MAX_VLAN_TAGS: usize = 2;
const MAX_EXTENSIONS: usize = 8;

/// Holds the IP header's addresses, and where its payload begins.
#[derive(Clone, Copy)]
pub(super) struct Ip {
    pub(super) src: [u8; 16],
    pub(super) dst: [u8; 16],
    /// Offset of the header from the skb's start.
    pub(super) header: u32,
    /// Offset of the payload from the skb's start.
    pub(super) payload: u32,
    /// Offset of the packet's end from the skb's start, by the length in the header.
    pub(super) end: u32,
    pub(super) protocol: u8,
}

/// Holds a TCP header's fields in host order.
#[derive(Clone, Copy)]
pub(super) struct Tcp {
    pub(super) sport: u16,
    pub(super) dport: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    /// Length of the header, bytes.
    pub(super) header_len: u8,
}

impl Ip {
    pub(super) const EMPTY: Self =
        Self { src: [0; 16], dst: [0; 16], header: 0, payload: 0, end: 0, protocol: 0 };
}

impl Tcp {
    pub(super) const EMPTY: Self = Self { sport: 0, dport: 0, seq: 0, ack: 0, flags: 0, header_len: 0 };
}

/// Copies `N` bytes out of the skb, in its linear part or not; `None` past its end.
#[inline(always)]
pub(super) fn load<const N: usize>(skb: *mut __sk_buff, offset: u32) -> Option<[u8; N]> {
    let mut out = [0u8; N];
    // SAFETY: the helper checks the offset and writes exactly N bytes to a buffer of N.
    let rc = unsafe { bpf_skb_load_bytes(skb.cast(), offset, out.as_mut_ptr().cast(), N as u32) };
    (rc == 0).then_some(out)
}

/// Returns EtherType and offset of the network header. VLAN tags in the data are skipped.
#[inline(always)]
pub(super) fn network(skb: *mut __sk_buff, ethernet: bool) -> Option<(u16, u32)> {
    if !ethernet {
        let [first] = load::<1>(skb, 0)?;
        return Some((if first >> 4 == 6 { ETH_P_IPV6 } else { ETH_P_IP }, 0));
    }
    let mut offset = ETH_HLEN;
    let mut protocol = u16::from_be_bytes(load(skb, 12)?);
    for _ in 0..MAX_VLAN_TAGS {
        if protocol != ETH_P_8021Q && protocol != ETH_P_8021AD {
            break;
        }
        protocol = u16::from_be_bytes(load(skb, offset + 2)?);
        offset += 4;
    }
    Some((protocol, offset))
}

/// Parses an IP header, extension headers included. `None` if there is no transport header to read: the packet is
/// malformed, a later fragment, or not IP.
#[inline(always)]
pub(super) fn ip(skb: *mut __sk_buff, protocol: u16, offset: u32) -> Option<Ip> {
    match protocol {
        ETH_P_IP => ipv4(skb, offset),
        ETH_P_IPV6 => ipv6(skb, offset),
        _ => None,
    }
}

#[inline(always)]
fn ipv4(skb: *mut __sk_buff, offset: u32) -> Option<Ip> {
    let header = load::<20>(skb, offset)?;
    let header_len = u32::from(header[0] & 0x0f) * 4;
    let fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff;
    if header[0] >> 4 != 4 || header_len < 20 || fragment != 0 {
        return None;
    }
    Some(Ip {
        src: mapped([header[12], header[13], header[14], header[15]]),
        dst: mapped([header[16], header[17], header[18], header[19]]),
        header: offset,
        payload: offset + header_len,
        end: offset + u32::from(u16::from_be_bytes([header[2], header[3]])),
        protocol: header[9],
    })
}

#[inline(always)]
fn ipv6(skb: *mut __sk_buff, offset: u32) -> Option<Ip> {
    let header = load::<8>(skb, offset)?;
    if header[0] >> 4 != 6 {
        return None;
    }
    let mut ip = Ip {
        src: load(skb, offset + 8)?,
        dst: load(skb, offset + 24)?,
        header: offset,
        payload: offset + 40,
        end: offset + 40 + u32::from(u16::from_be_bytes([header[4], header[5]])),
        protocol: header[6],
    };
    for _ in 0..MAX_EXTENSIONS {
        let len = match ip.protocol {
            // Hop-by-hop, routing, destination options, mobility: length in units of 8 past the first 8.
            0 | 43 | 60 | 135 => (u32::from(load::<2>(skb, ip.payload)?[1]) + 1) * 8,
            // Authentication header: units of 4, less 2.
            51 => (u32::from(load::<2>(skb, ip.payload)?[1]) + 2) * 4,
            44 => {
                let fragment = load::<4>(skb, ip.payload)?;
                if u16::from_be_bytes([fragment[2], fragment[3]]) & 0xfff8 != 0 {
                    return None;
                }
                8
            }
            _ => return Some(ip),
        };
        ip.protocol = load::<1>(skb, ip.payload)?[0];
        ip.payload += len;
    }
    None
}

/// Parses a TCP header.
#[inline(always)]
pub(super) fn tcp(skb: *mut __sk_buff, offset: u32) -> Option<Tcp> {
    let h = load::<14>(skb, offset)?;
    // A data offset below 5 words is no TCP header.
    if h[12] >> 4 < 5 {
        return None;
    }
    Some(Tcp {
        sport: u16::from_be_bytes([h[0], h[1]]),
        dport: u16::from_be_bytes([h[2], h[3]]),
        seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
        ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
        flags: h[13],
        header_len: (h[12] >> 4) * 4,
    })
}

/// Returns an IPv4 address as IPv6-mapped.
#[inline(always)]
pub(super) fn mapped(v4: [u8; 4]) -> [u8; 16] {
    let mut out = [0; 16];
    out[10] = 0xff;
    out[11] = 0xff;
    out[12] = v4[0];
    out[13] = v4[1];
    out[14] = v4[2];
    out[15] = v4[3];
    out
}
