//! TCP connections by the sockets that hold them, in every network namespace of the node: what is open where
//! connection tracking is missing, also from before the agent came.
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
/// Namespaces read at most: a node has 110 pods by default.
const MAX_NAMESPACES: usize = 4_096;

/// One socket, as its namespace sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    state: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// The established TCP connections that sockets of this node hold, each once, from the side that opened it. Blocks;
/// runs on a thread of its own, because it goes from namespace to namespace.
///
/// # Errors
/// When no namespace but our own can be read: then most connections would be missing.
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
        match held(&path) {
            Ok(sockets) => {
                flows.add(&sockets);
                if !ours {
                    read = Ok(());
                }
            }
            // It went with its pod, or we may not enter; others may do.
            Err(error) if read.is_err() => read = Err(error),
            Err(_) => {}
        }
    }
    read.map(|()| flows.0.into_values().collect())
}

/// One path for each network namespace that a process is in, or that has a name.
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

/// What two paths to the same namespace have in common.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

/// A netlink socket stays in the namespace in which it was made, so entering is over at once.
fn held(namespace: &Path) -> io::Result<Vec<Held>> {
    setns(File::open(namespace)?, CloneFlags::CLONE_NEWNET)?;
    let socket =
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkSockDiag)?;
    let mut sockets = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        dump(&socket, u8::try_from(family).unwrap_or_default(), &mut sockets)?;
    }
    Ok(sockets)
}

fn dump(socket: &OwnedFd, family: u8, into: &mut Vec<Held>) -> io::Result<()> {
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

/// `struct inet_diag_req_v2`: the states wanted, of any socket.
fn request(family: u8) -> [u8; 56] {
    let mut request = [0; 56];
    (request[0], request[1]) = (family, IPPROTO_TCP);
    let states: u32 = 1 << ESTABLISHED | 1 << LISTEN;
    request[4..8].copy_from_slice(&states.to_ne_bytes());
    request
}

/// `struct inet_diag_msg`, as far as it matters. Ports and addresses are in network order.
fn decode(body: &[u8]) -> Option<Held> {
    let port = |at| u16_at(body, at).map(u16::from_be);
    let ip = |at: usize| -> Option<IpAddr> {
        match i32::from(*body.first()?) {
            libc::AF_INET => Some(Ipv4Addr::from(*body.get(at..)?.first_chunk::<4>()?).into()),
            libc::AF_INET6 => Some(Ipv6Addr::from(*body.get(at..)?.first_chunk::<16>()?).to_canonical()),
            _ => None,
        }
    };
    Some(Held { state: *body.get(1)?, local: (ip(8)?, port(4)?), remote: (ip(24)?, port(6)?) })
}

/// Connections by their client. Both ends may be on this node, each with its own view.
#[derive(Default)]
struct Flows(HashMap<(IpAddr, u16), FlowTuple>);

impl Flows {
    /// Adds one namespace: whoever listens on the local port was connected to, else it was he who connected.
    fn add(&mut self, sockets: &[Held]) {
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

    /// What the server sees is after DNAT.
    fn server(&mut self, (src, sport): (IpAddr, u16), local: (IpAddr, u16)) {
        let addressed = FlowTuple { src, sport, dst: local.0, dport: local.1, backend: None };
        let flow = self.0.entry((src, sport)).or_insert(addressed);
        if (flow.dst, flow.dport) != local {
            flow.backend = Some(local);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use proptest::prelude::*;

    use super::*;
    use crate::netlink::testing::Namespace;

    fn at(text: &str) -> (IpAddr, u16) {
        let address: std::net::SocketAddr = text.parse().unwrap();
        (address.ip(), address.port())
    }

    fn socket(state: u8, local: &str, remote: &str) -> Held {
        Held { state, local: at(local), remote: at(remote) }
    }

    #[test]
    fn both_ends_are_one_connection_whoever_is_read_first() {
        let client = [socket(ESTABLISHED, "10.42.0.9:40000", "10.43.0.1:80")];
        let server =
            [socket(LISTEN, "[::]:8080", "[::]:0"), socket(ESTABLISHED, "10.42.0.5:8080", "10.42.0.9:40000")];
        for order in [[&client[..], &server[..]], [&server[..], &client[..]]] {
            let mut flows = Flows::default();
            order.into_iter().for_each(|sockets| flows.add(sockets));
            let told: Vec<_> = flows.0.into_values().collect();
            let [flow] = told[..] else { panic!("{told:?}") };
            assert_eq!(
                ((flow.src, flow.sport), (flow.dst, flow.dport)),
                (at("10.42.0.9:40000"), at("10.43.0.1:80"))
            );
            assert_eq!(flow.backend, Some(at("10.42.0.5:8080")));
        }
    }

    #[test]
    fn a_client_from_elsewhere_is_known_by_its_server() {
        let mut flows = Flows::default();
        flows.add(&[
            socket(LISTEN, "0.0.0.0:8080", "0.0.0.0:0"),
            socket(ESTABLISHED, "10.42.0.5:8080", "192.0.2.7:5000"),
        ]);
        let told: Vec<_> = flows.0.into_values().collect();
        assert_eq!(
            (told[0].src, told[0].dst, told[0].backend),
            (at("192.0.2.7:5000").0, at("10.42.0.5:1").0, None)
        );
    }

    #[test]
    fn connections_in_other_namespaces_are_found() {
        let pod = Namespace::new();
        pod.ip("link set lo up");
        pod.ip("addr add 10.42.7.5/32 dev lo");
        pod.ip("addr add fd42::7:5/128 dev lo nodad");
        for address in ["10.42.7.5:0", "[fd42::7:5]:0"] {
            let (listener, client) = pod.inside(|| {
                let listener = TcpListener::bind(address).unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (listener, client)
            });
            // The namespace is found by a process that is in it.
            let mut holder = pod.inside(|| {
                std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap()
            });
            let (src, dst) = (client.local_addr().unwrap(), listener.local_addr().unwrap());
            let found = established()
                .unwrap()
                .into_iter()
                .find(|flow| (flow.src, flow.sport) == (src.ip(), src.port()));
            drop(holder.stdin.take());
            holder.wait().unwrap();
            assert_eq!(found.map(|flow| (flow.dst, flow.dport)), Some((dst.ip(), dst.port())), "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(decode(&bytes).is_none() || bytes.len() >= 28);
        }
    }
}
