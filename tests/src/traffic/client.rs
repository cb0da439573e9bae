//! Clients: open, talk, close or reset.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::SockRef;

use super::{ECHO, RESET};
use crate::netns::Netns;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Connects from inside `ns`.
///
/// # Errors
/// The error of connect(2): `ConnectionRefused` after a RST or ICMP port unreachable, ...
pub fn connect(ns: &Netns, to: SocketAddr) -> io::Result<Conversation> {
    connect_within(ns, to, TIMEOUT)
}

/// Connects from inside `ns`, giving up after `timeout`.
///
/// # Errors
/// Fails as [`connect`] does, and with `TimedOut` when nothing answered.
pub fn connect_within(ns: &Netns, to: SocketAddr, timeout: Duration) -> io::Result<Conversation> {
    ns.run(|| Conversation::open(to, timeout))
}

/// An open connection. Dropping it closes it in order, with a FIN.
#[derive(Debug)]
pub struct Conversation(TcpStream);

impl Conversation {
    /// Connects from the namespace this thread is in.
    ///
    /// # Errors
    /// Fails as [`connect`] does.
    pub fn open(to: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, timeout)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Self(stream))
    }

    /// Returns the local port.
    ///
    /// # Errors
    /// Fails when the socket is broken.
    pub fn local_port(&self) -> io::Result<u16> {
        Ok(self.0.local_addr()?.port())
    }

    /// Sets the time to wait for answers.
    ///
    /// # Errors
    /// Fails when the socket refuses the time.
    pub fn be_patient(&self, patience: Duration) -> io::Result<()> {
        self.0.set_read_timeout(Some(patience))
    }

    /// Sends a byte and waits for it to come back.
    ///
    /// # Errors
    /// Fails when the connection is broken.
    pub fn echo(&mut self) -> io::Result<()> {
        self.0.write_all(&[ECHO])?;
        let mut answer = [0];
        self.0.read_exact(&mut answer)
    }

    /// Sends bytes, and waits for nothing.
    ///
    /// # Errors
    /// Fails when the connection is broken.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// Ends the connection with a RST from the client.
    ///
    /// # Errors
    /// Fails when the socket refuses the option for it.
    pub fn reset(self) -> io::Result<()> {
        SockRef::from(&self.0).set_linger(Some(Duration::ZERO))
    }

    /// Has the server reset the connection, and waits for it.
    ///
    /// # Errors
    /// Fails when anything but a reset comes back.
    pub fn be_reset(mut self) -> io::Result<()> {
        self.0.write_all(&[RESET])?;
        match self.0.read(&mut [0; 1]) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            Err(e) => Err(e),
            Ok(n) => Err(io::Error::other(format!("{n} bytes instead of a reset"))),
        }
    }
}
