//! Allows one agent per node: two would attach twice and count everything twice.

use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use anyhow::{Context as _, bail};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

/// Name of an abstract socket. It needs no file, belongs to the network namespace, and ends with the process.
const NAME: &str = "flow-observer";

/// Marks this process as the only agent in its network namespace, until dropped.
#[derive(Debug)]
pub struct SingleInstance {
    _listener: UnixListener,
}

impl SingleInstance {
    /// Marks this process as the only agent.
    ///
    /// # Errors
    /// Fails when another agent runs; the text names its process.
    pub fn claim() -> anyhow::Result<Self> {
        let address = SocketAddr::from_abstract_name(NAME).context("the name of the agent's socket")?;
        match UnixListener::bind_addr(&address) {
            Ok(listener) => Ok(Self { _listener: listener }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                bail!("another agent{} already watches this node; stop it first", pid(&address))
            }
            Err(error) => Err(error).context("the agent's socket"),
        }
    }
}

/// Returns the process of the other agent in words, or nothing where it is in another process namespace.
fn pid(address: &SocketAddr) -> String {
    let peer = UnixStream::connect_addr(address).ok().and_then(|s| getsockopt(&s, PeerCredentials).ok());
    peer.map(|peer| peer.pid()).filter(|pid| *pid > 0).map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}
