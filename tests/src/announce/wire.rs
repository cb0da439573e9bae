//! A raw socket on one interface of a host.

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context, Result};
use flow_model::mac::Mac;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::netns::Netns;

/// Sends frames as they are.
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
    /// When it has none.
    pub fn open(ns: &Netns) -> Result<Self> {
        ns.run(|| {
            let (link, mac) = link("eth0")?;
            // No protocol: this one hears nothing.
            let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
            Ok(Self { socket, link, mac })
        })
    }

    /// The interface's own address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Sends a frame.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        sendto(self.socket.as_raw_fd(), frame, &self.link, MsgFlags::empty())
            .context("send a frame")
            .map(drop)
    }
}

/// Index and MAC of an interface of the namespace that this thread is in.
pub(super) fn link(name: &str) -> Result<(LinkAddr, Mac)> {
    let all = getifaddrs().context("list interfaces")?;
    let of_link = |address: nix::ifaddrs::InterfaceAddress| {
        (address.interface_name == name).then_some(address.address?.as_link_addr().copied()?)
    };
    let link = all.into_iter().find_map(of_link).with_context(|| format!("no interface {name}"))?;
    Ok((link, Mac(link.addr().with_context(|| format!("{name} has no MAC"))?)))
}
