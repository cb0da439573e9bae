//! Answers for an address that is on no interface, as MetalLB's speaker does.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use flow_model::mac::Mac;
use nix::sys::socket::bind;
use socket2::{Domain, Protocol, Socket, Type};

use super::frames::{Advertisement, Arp};
use super::wire::{self, Wire};
use crate::netns::Netns;

/// The time within which a dropped speaker stops answering.
const POLL: Duration = Duration::from_millis(50);

/// Answers requests for an address until dropped.
#[derive(Debug)]
pub struct Speaker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Speaker {
    /// Answers for `ip` on `eth0` of a host.
    ///
    /// # Errors
    /// Fails when the host has no such interface.
    pub fn start(ns: &Netns, ip: IpAddr) -> Result<Self> {
        let out = Wire::open(ns)?;
        let socket = ns.run(|| listen(ip))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = Some(thread::spawn(move || speak(socket, &out, ip, &stopped)));
        Ok(Self { stop, thread })
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(ip: IpAddr) -> Result<Socket> {
    let kind: u16 = if ip.is_ipv4() { 0x0806 } else { 0x86dd };
    let protocol = Protocol::from(i32::from(kind.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
    bind(socket.as_raw_fd(), &wire::link("eth0")?.0)?;
    socket.set_read_timeout(Some(POLL))?;
    Ok(socket)
}

fn speak(mut socket: Socket, out: &Wire, ip: IpAddr, stop: &AtomicBool) {
    let mut frame = [0; 2048];
    while !stop.load(Ordering::SeqCst) {
        let Ok(length) = socket.read(&mut frame) else { continue };
        let answer = match ip {
            IpAddr::V4(ip) => answer_arp(&frame[..length], ip, out.mac()),
            IpAddr::V6(ip) => answer_solicitation(&frame[..length], ip, out.mac()),
        };
        // The interface is gone when its host is.
        drop(answer.map(|answer| out.send(&answer)));
    }
}

/// Returns the answer to a request for `ip` by another host.
fn answer_arp(frame: &[u8], ip: Ipv4Addr, mac: Mac) -> Option<Vec<u8>> {
    let (kind, sender) = (frame.get(12..22)?, frame.get(22..32)?);
    let target: [u8; 4] = frame.get(38..42)?.try_into().ok()?;
    let asker = Mac(sender[..6].try_into().ok()?);
    let asks = kind == [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] && target == ip.octets() && asker != mac;
    let asker_ip = Ipv4Addr::from(<[u8; 4]>::try_from(&sender[6..]).ok()?);
    // Announcements, its own and those of others, are not requests.
    (asks && asker_ip != ip)
        .then(|| Arp { operation: 2, sender: (mac, ip), target: (asker, asker_ip) }.frame(asker))
}

/// Returns the answer to a neighbour solicitation for `ip`.
fn answer_solicitation(frame: &[u8], ip: Ipv6Addr, mac: Mac) -> Option<Vec<u8>> {
    let asker = Mac(frame.get(6..12)?.try_into().ok()?);
    let source = Ipv6Addr::from(<[u8; 16]>::try_from(frame.get(22..38)?).ok()?);
    let asks = *frame.get(20)? == 58 && *frame.get(54)? == 135 && frame.get(62..78)? == ip.octets();
    (asks && asker != mac && !source.is_unspecified())
        .then(|| Advertisement::solicited(ip, mac, (asker, source)).frame())
}

#[cfg(test)]
mod tests;
