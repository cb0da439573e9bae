//! A server that receives Alertmanager's notifications.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use nix::sys::socket::{Shutdown, shutdown};
use serde_json::Value;

/// The time after which a silent client is dropped, so that it doesn't block the receiver.
const TIMEOUT: Duration = Duration::from_secs(5);

/// More than any notification of the lab.
const MAX_BODY: u64 = 4 << 20;

/// Accepts connections on a thread that ends with it.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Acceptor {
    pub(super) fn start(
        listener: TcpListener,
        mut serve: impl FnMut(TcpStream) + Send + 'static,
    ) -> Result<Self> {
        let accepting = listener.try_clone()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in accepting.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                stream.map(&mut serve).unwrap_or_default();
            }
        });
        Ok(Self { listener, stop, thread: Some(thread) })
    }

    pub(super) fn at(&self) -> Result<SocketAddr> {
        Ok(self.listener.local_addr()?)
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the thread: accept(2) fails on a socket that doesn't listen any more.
        let woken = shutdown(self.listener.as_raw_fd(), Shutdown::Both).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            drop(thread.join());
        }
    }
}

/// Keeps every alert of a notification.
#[derive(Debug)]
pub(crate) struct Webhook {
    alerts: Arc<Mutex<Vec<Value>>>,
    _acceptor: Acceptor,
}

impl Webhook {
    /// Receives at a socket, which may be of any network namespace.
    pub(crate) fn start(listener: TcpListener) -> Result<Self> {
        let alerts = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&alerts);
        let serve = move |stream: TcpStream| {
            let received = receive(&stream).unwrap_or_default();
            kept.lock().unwrap_or_else(PoisonError::into_inner).extend(received);
        };
        Ok(Self { alerts, _acceptor: Acceptor::start(listener, serve)? })
    }

    /// Returns every alert received so far, oldest first; repeated ones again.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.alerts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Receives one request; each connection carries one.
fn receive(stream: &TcpStream) -> io::Result<Vec<Value>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let body = body(&mut BufReader::new(stream))?;
    let mut writer = stream;
    writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(alerts(&body))
}

fn body(request: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut length = 0;
    let mut line = String::new();
    while request.read_line(&mut line)? > 0 && !line.trim().is_empty() {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(io::Error::other)?;
        }
        line.clear();
    }
    let mut body = Vec::new();
    request.take(u64::min(length, MAX_BODY)).read_to_end(&mut body)?;
    Ok(body)
}

fn alerts(body: &[u8]) -> Vec<Value> {
    let mut notification: Value = serde_json::from_slice(body).unwrap_or_default();
    let alerts = notification.get_mut("alerts").map(Value::take).unwrap_or_default();
    serde_json::from_value(alerts).unwrap_or_default()
}

#[cfg(test)]
mod tests;
