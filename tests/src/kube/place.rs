//! The place of a server: a namespace of the lab, or that of this process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};

use crate::netns::Netns;

/// Servers in a lab's namespace end with the lab, also when the test is killed.
#[derive(Clone, Debug)]
pub enum Place {
    /// This process's own namespace.
    Here,
    Inside(Netns),
}

impl Place {
    /// Runs `f` there.
    pub fn run<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Here => f(),
            Self::Inside(ns) => ns.run(f),
        }
    }

    /// Starts a thread there.
    pub fn spawn<T: Send + 'static>(&self, f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        match self {
            Self::Here => thread::spawn(f),
            Self::Inside(ns) => ns.spawn(f),
        }
    }

    /// Listens on a port of loopback; 0 chooses a free one.
    pub(super) fn listen(&self, port: u16) -> Result<TcpListener> {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = self.run(|| TcpListener::bind(at)).with_context(|| format!("listen on {at}"))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Returns ports of loopback that are free now.
    pub(super) fn free_ports<const N: usize>(&self) -> Result<[u16; N]> {
        let mut ports = [0; N];
        // All are open at the same time, so that no port comes twice.
        let listeners: Vec<_> = (0..N).map(|_| self.listen(0)).collect::<Result<_>>()?;
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr()?.port();
        }
        Ok(ports)
    }
}
