//! Single TCP packets, made by hand.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::netns::Netns;

/// TCP flag bits.
pub mod flags {
    pub const FIN: u8 = 0x01;
    pub const SYN: u8 = 0x02;
    pub const RST: u8 = 0x04;
    pub const ACK: u8 = 0x10;
}

/// A TCP packet without options or data.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub seq: u32,
    pub ack: u32,
    /// Bits of [`flags`].
    pub flags: u8,
}

impl Packet {
    /// A SYN, as a port scanner sends it. The kernel answers its SYN-ACK with a RST by itself, because no socket knows
    /// it.
    #[must_use]
    pub fn syn(from: SocketAddr, to: SocketAddr, seq: u32) -> Self {
        Self { from, to, seq, ack: 0, flags: flags::SYN }
    }

    /// Sends it from inside `ns`; the kernel adds the IP header.
    ///
    /// # Errors
    /// Fails when the kernel refuses the packet.
    pub fn send(self, ns: &Netns) -> io::Result<()> {
        let domain = if self.to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
        ns.run(|| {
            let socket = Socket::new(domain, Type::RAW, Some(Protocol::TCP))?;
            // The sender may be nobody's address.
            if domain == Domain::IPV4 {
                socket.set_ip_transparent_v4(true)?;
            }
            // IPv6 raw sockets refuse a destination with a port.
            socket.bind(&SocketAddr::new(self.from.ip(), 0).into())?;
            socket.send_to(&self.bytes(), &SocketAddr::new(self.to.ip(), 0).into()).map(drop)
        })
    }

    fn bytes(self) -> Vec<u8> {
        let mut tcp = Vec::with_capacity(20);
        tcp.extend(self.from.port().to_be_bytes());
        tcp.extend(self.to.port().to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([5 << 4, self.flags]);
        tcp.extend(u16::MAX.to_be_bytes());
        tcp.extend([0; 4]);
        let sum = checksum(&[pseudo_header(self.from.ip(), self.to.ip(), tcp.len()), tcp.clone()].concat());
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        tcp
    }
}

/// The part of the IP header that TCP's checksum covers. Its IPv6 form sums to the same for either field order.
fn pseudo_header(from: IpAddr, to: IpAddr, len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for ip in [from, to] {
        match ip {
            IpAddr::V4(ip) => out.extend(ip.octets()),
            IpAddr::V6(ip) => out.extend(ip.octets()),
        }
    }
    out.extend([0, 6]);
    out.extend(u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes());
    out
}

pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests;
