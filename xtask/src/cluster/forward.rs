//! Servers of the first node on the machine's loopback: the node's network is its own.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use super::node::spawn;
use super::place::{API, Place};
use super::process;

/// Starts a process that forwards to a port of the first node, and returns where it listens. Its socket is its standard
/// input, so that nobody else can take the port.
pub(super) fn start(place: &Place, name: &str, to: u16) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    // This program, also when another build has taken its path.
    let mut command = Command::new("/proc/self/exe");
    command.args(["cluster", "--name", place.name(), "forward", &to.to_string()]);
    let name = format!("{name}-forward");
    let log = place.dir().join(format!("{name}.log"));
    let pid = spawn(command.stdin(OwnedFd::from(listener)), &log)?;
    process::record(&place.process(&name), pid)?;
    Ok(address)
}

/// Forwards each connection until the process is ended.
pub(super) fn serve(place: &Place, to: u16) -> Result<()> {
    let listener = TcpListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let path = format!("/run/netns/{}", place.namespace("n1"));
    for client in listener.incoming().flatten() {
        let network = File::open(&path).with_context(|| path.clone())?;
        thread::spawn(move || forward(client, &network, to));
    }
    Ok(())
}

/// The thread enters the node's network to connect; sockets stay where they were made.
fn forward(client: TcpStream, network: &File, to: u16) -> io::Result<()> {
    setns(network, CloneFlags::CLONE_NEWNET)?;
    let server = TcpStream::connect((API, to))?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        io::copy(&mut from_client, &mut to_server).unwrap_or_default();
        to_server.shutdown(Shutdown::Write).unwrap_or_default();
    });
    let (mut from_server, mut to_client) = (server, client);
    io::copy(&mut from_server, &mut to_client)?;
    to_client.shutdown(Shutdown::Write)
}
