//! A server that echoes, or resets when asked to.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::{Domain, SockRef, Socket, Type};

use super::RESET;
use crate::netns::Netns;

/// Long enough for any burst: a full queue would drop SYNs.
const BACKLOG: i32 = 4096;

/// Listens on a port on IPv4 and IPv6 until dropped.
#[derive(Debug)]
pub struct Server {
    listener: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server inside `ns`.
    ///
    /// # Errors
    /// Fails when the port can't be bound.
    pub fn start(ns: &Netns, port: u16) -> Result<Self> {
        ns.sysctl("net.core.somaxconn", &BACKLOG.to_string())?;
        let listener = Arc::new(ns.run(|| listen(port)).with_context(|| format!("listen on port {port}"))?);
        let accepting = Arc::clone(&listener);
        // A socket belongs to the namespace it was made in, so this thread may live anywhere.
        let thread = Some(thread::spawn(move || accept(&accepting)));
        Ok(Self { listener, thread })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ends the blocked accept(2).
        drop(SockRef::from(&*self.listener).shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, None)?;
    socket.set_only_v6(false)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn accept(listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        thread::spawn(move || drop(serve(stream)));
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = [0; 256];
    loop {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        if buffer[..n].contains(&RESET) {
            // Closing with a linger time of zero sends a RST.
            return SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        stream.write_all(&buffer[..n])?;
    }
}
