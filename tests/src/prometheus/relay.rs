//! Carries connections from one namespace into another: agents listen on their nodes' loopback only.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result};

use super::webhook::Acceptor;
use crate::netns::Netns;

/// Listens in one namespace and connects in another.
#[derive(Debug)]
pub(super) struct Relay(Acceptor);

impl Relay {
    pub(super) fn start(ns: &Netns, at: SocketAddr, target_ns: &Netns, target: SocketAddr) -> Result<Self> {
        let listener = ns.run(|| TcpListener::bind(at)).with_context(|| format!("listen on {at}"))?;
        let target_ns = target_ns.clone();
        // A connection that can't be carried on is closed: the scrape fails, as it should.
        let serve = move |stream| drop(carry(stream, &target_ns, target));
        Ok(Self(Acceptor::start(listener, serve)?))
    }

    pub(super) fn at(&self) -> Result<SocketAddr> {
        self.0.at()
    }
}

fn carry(near: TcpStream, ns: &Netns, target: SocketAddr) -> io::Result<()> {
    let far = ns.run(|| TcpStream::connect(target))?;
    for (from, to) in [(near.try_clone()?, far.try_clone()?), (far, near)] {
        thread::spawn(move || pump(&from, &to));
    }
    Ok(())
}

/// Ends with either side; the other direction then sees the end too.
fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    drop(io::copy(&mut from, &mut to));
    drop(from.shutdown(Shutdown::Both));
    drop(to.shutdown(Shutdown::Both));
}
