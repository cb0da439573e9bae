//! Servers of the first node on the machine's loopback: the node's network is its own.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use nix::sched::{CloneFlags, setns};

use super::node::spawn;
use super::place::{API, Place};
use super::stop;

/// What may be forwarded.
pub(super) const FORWARDED: [&str; 2] = ["api", "prometheus"];

/// Starts a process that forwards to a port of the first node, and returns where it listens.
pub(super) fn start(place: &Place, name: &str, to: u16) -> Result<SocketAddr> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["cluster", "--name", place.name(), "forward", &free.port().to_string(), &to.to_string()]);
    let pid = spawn(command, &place.dir().join(format!("{name}-forward.log")))?;
    std::fs::write(place.dir().join(format!("{name}-forward.pid")), stop::identity(pid))?;
    Ok(free)
}

/// Forwards each connection until the process is ended.
pub(super) fn serve(place: &Place, port: u16, to: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
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
