//! A raw socket on one interface of a host.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use flow_model::mac::Mac;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::netns::Netns;

/// Sends frames unchanged.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    link: LinkAddr,
    mac: Mac,
}

impl Wire {
    /// Opens `eth0` of a host.
    ///
    /// # Errors
    /// Fails when the host has no such interface.
    pub fn open(ns: &Netns) -> Result<Self> {
        ns.run(|| {
            let (link, mac) = link("eth0")?;
            // Without a protocol it receives nothing.
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
            Ok(Self { socket, link, mac })
        })
    }

    /// Returns the interface's own address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// Fails when the kernel refuses the frame.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::empty())
            .context("send a frame")
            .map(drop)
    }
}

/// Returns index and MAC of an interface in the namespace of this thread.
pub(super) fn link(name: &str) -> Result<(LinkAddr, Mac)> {
    let all = getifaddrs().context("list interfaces")?;
    let of_link = |address: nix::ifaddrs::InterfaceAddress| {
        (address.interface_name == name).then_some(address.address?.as_link_addr().copied()?)
    };
    let link = all.into_iter().find_map(of_link).with_context(|| format!("no interface {name}"))?;
    Ok((link, Mac(link.addr().with_context(|| format!("{name} has no MAC"))?)))
}
