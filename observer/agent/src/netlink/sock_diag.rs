//! Reads open TCP connections from the sockets of every network namespace of the node, for nodes without connection
//! tracking. Connections older than the agent are among them.
//!
//! <https://man7.org/linux/man-pages/man7/sock_diag.7.html>. Reading pods' namespaces needs CAP_SYS_ADMIN to enter
//! them and CAP_SYS_PTRACE to find them by their processes.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flow_model::flow::FlowTuple;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use crate::netlink::wire::{DONE, ERROR, dump_request, messages, u16_at};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
const IPPROTO_TCP: u8 = 6;
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
const DATAGRAM: usize = 64 << 10;
/// Limit of the namespaces that are read. A node has 110 pods by default.
const MAX_NAMESPACES: usize = 4_096;

/// Describes one socket, as its namespace sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OpenSocket {
    state: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// Returns the established TCP connections of this node's sockets, each once, from the side that opened it. Blocks; it
/// runs on a thread of its own, because it changes namespaces.
///
/// # Errors
/// Fails when only the agent's own namespace can be read: most connections would be missing.
pub fn established() -> io::Result<Vec<FlowTuple>> {
    std::thread::scope(|scope| {
        let walk = scope.spawn(walk);
        walk.join().unwrap_or_else(|_| Err(io::Error::other("the reading thread panicked")))
    })
}

fn walk() -> io::Result<Vec<FlowTuple>> {
    let mut flows = Flows::default();
    let own = identity(Path::new("/proc/thread-self/ns/net"));
    let mut read = Err(io::Error::other("no pod's network namespace could be found"));
    for path in namespaces() {
        let ours = identity(&path) == own;
        match sockets_of(&path) {
            Ok(sockets) => {
                flows.add(&sockets);
                if !ours {
                    read = Ok(());
                }
            }
            // It went with its pod, or may not be entered. Others may be readable.
            Err(error) if read.is_err() => read = Err(error),
            Err(_) => {}
        }
    }
    read.map(|()| flows.0.into_values().collect())
}

/// Returns one path for each network namespace that a process is in, or that has a name.
fn namespaces() -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit));
    let named = ["/run/netns", "/var/run/netns"].into_iter().filter_map(|dir| fs::read_dir(dir).ok());
    let named = named.flatten().flatten().map(|entry| entry.path());
    let mut seen = HashSet::new();
    processes
        .map(|entry| entry.path().join("ns/net"))
        .chain(named)
        .filter(|path| identity(path).is_some_and(|namespace| seen.insert(namespace)))
        .take(MAX_NAMESPACES)
        .collect()
}

/// Identifies a namespace: two paths to the same one have the same numbers.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// Reads the sockets of a namespace. A netlink socket belongs to the namespace in which it was made.
fn sockets_of(namespace: &Path) -> io::Result<Vec<OpenSocket>> {
    setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)?;
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(&socket, u8::try_from(family).unwrap_or_default(), &mut sockets)?;
    }
    Ok(sockets)
}

fn dump(socket: &OwnedFd, family: u8, into: &mut Vec<OpenSocket>) -> io::Result<()> {
    send(socket.as_raw_fd(), &dump_request(BY_FAMILY, 1, &request(family)), MsgFlags::empty())?;
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let length = match recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        for message in messages(buffer.get(..length).unwrap_or_default()) {
            match message.kind {
                DONE => return Ok(()),
                ERROR => return Err(io::Error::from_raw_os_error(message.errno())),
                BY_FAMILY => into.extend(decode(message.body)),
                _ => {}
            }
        }
    }
}

/// Returns a `struct inet_diag_req_v2` for the two states, of any socket.
fn request(family: u8) -> [u8; 56] {
    let mut request = [0; 56];
    (request[0], request[1]) = (family, IPPROTO_TCP);
    let states: u32 = 1 << ESTABLISHED | 1 << LISTEN;
    request[4..8].copy_from_slice(&states.to_ne_bytes());
    request
}

/// Decodes the needed part of a `struct inet_diag_msg`. Ports and addresses are in network order.
fn decode(body: &[u8]) -> Option<OpenSocket> {
    let port = |at| u16_at(body, at).map(u16::from_be);
    let ip = |at: usize| -> Option<IpAddr> {
        match i32::from(*body.first()?) {
            libc::AF_INET => Some(Ipv4Addr::from(*body.get(at..)?.first_chunk::<4>()?).into()),
            libc::AF_INET6 => Some(Ipv6Addr::from(*body.get(at..)?.first_chunk::<16>()?).to_canonical()),
            _ => None,
        }
    };
    Some(OpenSocket { state: *body.get(1)?, local: (ip(8)?, port(4)?), remote: (ip(24)?, port(6)?) })
}

/// Holds connections by their client. Both ends may be on this node, each with its own view.
#[derive(Default)]
struct Flows(HashMap<(IpAddr, u16), FlowTuple>);

impl Flows {
    /// Adds the sockets of one namespace. A socket whose local port has a listener is the server's, otherwise the
    /// client's.
    fn add(&mut self, sockets: &[OpenSocket]) {
        let listening: HashSet<u16> =
            sockets.iter().filter(|s| s.state == LISTEN).map(|s| s.local.1).collect();
        for socket in sockets.iter().filter(|s| s.state == ESTABLISHED) {
            if listening.contains(&socket.local.1) {
                self.server(socket.remote, socket.local);
            } else {
                self.client(socket.local, socket.remote);
            }
        }
    }

    fn client(&mut self, (src, sport): (IpAddr, u16), (dst, dport): (IpAddr, u16)) {
        let served = self.0.get(&(src, sport)).map(|flow| (flow.dst, flow.dport));
        let backend = served.filter(|served| *served != (dst, dport));
        self.0.insert((src, sport), FlowTuple { src, sport, dst, dport, backend });
    }

    /// Adds a server's view, which is after DNAT.
    fn server(&mut self, (src, sport): (IpAddr, u16), local: (IpAddr, u16)) {
        let addressed = FlowTuple { src, sport, dst: local.0, dport: local.1, backend: None };
        let flow = self.0.entry((src, sport)).or_insert(addressed);
        if (flow.dst, flow.dport) != local {
            flow.backend = Some(local);
        }
    }
}

#[cfg(test)]
mod tests;
