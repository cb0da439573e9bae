//! Reads TCP connections from the kernel's connection tracking, also those older than the agent.

mod conn;
mod message;
pub mod pressure;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use nix::errno::Errno;
use nix::sys::socket::SockProtocol;

pub use self::conn::{Conn, State};
use self::message::{ENTRY, GET, REQUEST, decode, question};
use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;

/// Passes every TCP connection that this network namespace tracks to `each`, of both families. One that changes
/// meanwhile may be missing or come twice.
///
/// # Errors
/// Fails with [`NetlinkError::NoConntrack`] where the kernel has none, and with [`NetlinkError::ConntrackDenied`]
/// without CAP_NET_ADMIN.
pub async fn connections(mut each: impl FnMut(Conn)) -> Result<(), NetlinkError> {
    let dump = async {
        let mut socket = Socket::open(SockProtocol::NetlinkNetFilter)?;
        let decode = |kind, body: &[u8]| {
            if let Some(conn) = (kind == ENTRY).then(|| decode(body)).flatten() {
                each(conn);
            }
        };
        socket.stream("conntrack", GET, &REQUEST, decode).await
    };
    dump.await.map_err(name_error)
}

/// Looks up single connections.
pub struct Lookup {
    socket: Socket,
}

impl Lookup {
    /// Opens a socket for lookups.
    ///
    /// # Errors
    /// Fails with [`NetlinkError::NoConntrack`] where the kernel has none.
    pub fn new() -> Result<Self, NetlinkError> {
        // One answer at a time.
        Socket::subscribe(SockProtocol::NetlinkNetFilter, 0, 64 << 10)
            .map(|socket| Self { socket })
            .map_err(name_error)
    }

    /// Returns the connection that has packets from `src` to `dst`, before or after NAT; `None` if none is tracked. It
    /// doesn't block.
    ///
    /// # Errors
    /// Fails when the kernel has no connection tracking or refuses the request.
    pub fn find(&mut self, src: SocketAddr, dst: SocketAddr) -> Result<Option<Conn>, NetlinkError> {
        let asked = self.socket.ask(GET, &question(src, dst), decode);
        asked.map_err(|errno| name_error(NetlinkError::Refused { what: "conntrack", errno }))
    }
}

/// Recognises the answers that mean that there is no connection tracking, or that it may not be read.
fn name_error(error: NetlinkError) -> NetlinkError {
    match error {
        NetlinkError::Open(errno @ (Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT)) => {
            NetlinkError::NoConntrack(errno)
        }
        NetlinkError::Refused {
            errno: errno @ (Errno::EINVAL | Errno::EOPNOTSUPP | Errno::ENOENT), ..
        } => NetlinkError::NoConntrack(errno),
        NetlinkError::Refused { errno: errno @ (Errno::EPERM | Errno::EACCES), .. } => {
            NetlinkError::ConntrackDenied(errno)
        }
        other => other,
    }
}
