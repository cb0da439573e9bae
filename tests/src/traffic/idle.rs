//! A server that accepts a connection only when it is told to, so that its accept queue fills.

use std::io::{self, ErrorKind};
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::netns::Netns;
use crate::traffic::{Conversation, connect_within};

/// An answer takes no longer, also in a guest.
pub const SHORTLY: Duration = Duration::from_secs(1);

/// A server on IPv4 and IPv6. Dropping it resets what it has not accepted.
pub struct IdleServer(TcpListener);

impl IdleServer {
    /// Listens inside `ns`.
    ///
    /// # Errors
    /// Fails when the port is taken.
    pub fn listen(ns: &Netns, port: u16, backlog: i32) -> io::Result<Self> {
        ns.run(|| {
            let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
            socket.set_only_v6(false)?;
            socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
            socket.listen(backlog)?;
            Ok(Self(socket.into()))
        })
    }

    /// Accepts one connection, and closes it.
    ///
    /// # Errors
    /// Fails as accept(2) does.
    pub fn accept(&self) -> io::Result<()> {
        self.0.accept().map(drop)
    }
}

/// Connects from inside `ns` until the server takes no more, and returns what is open.
///
/// The kernel queues one connection more than the backlog. A client can hold more of them open: its connection opens
/// with the SYN-ACK, and the kernel takes a further SYN as long as the ACK of the last one has not reached it.
///
/// # Errors
/// Fails when a connection fails otherwise than by silence.
pub fn fill(ns: &Netns, to: SocketAddr) -> io::Result<Vec<Conversation>> {
    let mut open = Vec::new();
    loop {
        match connect_within(ns, to, SHORTLY) {
            Ok(conversation) => open.push(conversation),
            Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(open),
            Err(error) => return Err(error),
        }
    }
}
