//! A proxy between an agent and an API server. It causes failures that a real server can't be made to cause.
//!
//! It has TLS on both sides. Without a fault everything passes unchanged, and streams pass line
//! by line.

mod faults;
mod forward;
mod stream;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use tokio::task::JoinHandle;

use self::faults::Faults;
pub use self::faults::{Fault, Injected, On};
use self::forward::Front;
use self::tls::Tls;
use super::kubeconfig::{Kubeconfig, User};
use super::place::Place;
use super::runtime::Runtime;
use super::server::ApiServer;

/// Listens on a port of loopback. Dropping it closes port and connections.
#[derive(Debug)]
pub struct Proxy {
    front: Arc<Front>,
    place: Place,
    at: SocketAddr,
    ca: PathBuf,
    dir: PathBuf,
    /// Accepts while the port is open.
    door: Mutex<Option<JoinHandle<()>>>,
    runtime: Runtime,
}

impl Proxy {
    /// Starts it in front of a server, with a certificate of the same CA.
    ///
    /// # Errors
    /// Fails when the proxy can't listen.
    pub fn before(server: &ApiServer) -> Result<Self> {
        let (place, tls) = (server.place(), Tls::new(server.pki())?);
        let listener = place.listen(0)?;
        let at = listener.local_addr()?;
        let runtime = Runtime::start(place)?;
        let front = Arc::new(Front { to: server.at(), tls, faults: Arc::new(Faults::default()) });
        let door = Mutex::new(Some(runtime.spawn(Arc::clone(&front).accept(listener))));
        let (ca, dir) = (server.ca(), server.dir().to_owned());
        Ok(Self { front, place: place.clone(), at, ca, dir, door, runtime })
    }

    /// Adds a fault for later requests and for open streams.
    #[must_use = "the fault is lifted when this is dropped"]
    pub fn inject(&self, on: On, fault: Fault) -> Injected {
        Faults::inject(&self.front.faults, on, fault)
    }

    /// Refuses connections and breaks those that are open.
    pub fn close(&self) {
        if let Some(door) = self.door.lock().unwrap_or_else(PoisonError::into_inner).take() {
            door.abort();
        }
    }

    /// Takes connections again, on the same port.
    ///
    /// # Errors
    /// Fails when the port is taken.
    pub fn open(&self) -> Result<()> {
        self.close();
        // The aborted task may hold the port for a moment.
        let listen = || self.place.listen(self.at.port()).ok();
        let listener = crate::wait::until("the proxy's port", crate::wait::DEADLINE, listen)?;
        let door = self.runtime.spawn(Arc::clone(&self.front).accept(listener));
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = Some(door);
        Ok(())
    }

    /// Returns the address, `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.at)
    }

    /// Writes a kubeconfig for the proxy.
    ///
    /// # Errors
    /// Fails when the file can't be written.
    pub fn kubeconfig(&self, user: User) -> Result<PathBuf> {
        let path = self.dir.join(format!("proxy-{}.kubeconfig", self.at.port()));
        Kubeconfig { server: self.url(), ca: self.ca.clone(), user }.write(&path)?;
        Ok(path)
    }
}
