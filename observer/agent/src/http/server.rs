//! Connections: accepted up to a limit, encrypted if configured, served, and ended in time.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::http::limits::{Client, Full, Limits, MAX_HEAD, Place, Places};
use crate::sink::metrics::{HttpCounters, Refused};

/// The longest time that open requests may take to end after the cancellation.
const GRACE: Duration = Duration::from_millis(500);
/// Pause after an accept that failed because files or memory ran out.
const BREATHER: Duration = Duration::from_millis(500);
/// Keepalive of TCP, which detects peers that have vanished.
const PROBE_AFTER_S: u32 = 60;
const PROBE_EVERY_S: u32 = 15;

/// The state that connections share.
pub(super) struct Server {
    router: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    places: Places,
    counters: HttpCounters,
    cancel: CancellationToken,
}

impl Server {
    pub(super) fn new(
        router: Router,
        tls: Option<TlsAcceptor>,
        limits: Limits,
        counters: HttpCounters,
        cancel: CancellationToken,
    ) -> Arc<Self> {
        let places = Places::new(limits.connections, limits.connections_per_client);
        Arc::new(Self { router, tls, limits, places, counters, cancel })
    }

    /// Accepts connections until the cancellation, then waits briefly for open requests.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = self.cancel.cancelled() => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(stream, peer, &mut connections),
                    Err(error) => pause_or_fail(error).await?,
                },
                // Removes the ended ones from the set.
                Some(_) = connections.join_next() => {}
            }
        }
        // New connections are refused rather than left waiting.
        drop(listener);
        let ended = async { while connections.join_next().await.is_some() {} };
        // A client that does not read its answer doesn't hold up the shutdown.
        if timeout(GRACE, ended).await.is_err() {
            // It is not cut off either: it ends with the process.
            connections.detach_all();
        }
        Ok(())
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, connections: &mut JoinSet<()>) {
        let client = Client::new(peer.ip());
        match self.places.take(client) {
            Ok(place) => {
                let open = Open { _place: place, counters: self.counters.clone() };
                open.counters.connections.inc();
                connections.spawn(Arc::clone(self).connection(stream, client, open));
            }
            Err(full) => {
                tracing::debug!(%peer, ?full, "connection closed: the limit is reached");
                self.counters.refuse(match full {
                    Full::All => Refused::Connections,
                    Full::OfClient => Refused::ClientConnections,
                });
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, client: Client, _open: Open) {
        if let Err(error) = configure(&stream, self.limits.stalled) {
            tracing::debug!(%error, "socket options");
        }
        let Some(tls) = &self.tls else { return self.serve(stream, client).await };
        let handshake = timeout(self.limits.handshake, tls.accept(stream));
        let stream = tokio::select! {
            () = self.cancel.cancelled() => return,
            stream = handshake => stream.unwrap_or_else(|late| Err(late.into())),
        };
        match stream {
            Ok(stream) => self.serve(stream, client).await,
            Err(error) => {
                tracing::debug!(client = %client.0, %error, "no TLS connection");
                self.counters.refuse(Refused::Handshake);
            }
        }
    }

    async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin, client: Client) {
        let router = TowerToHyperService::new(self.router.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(client);
            router.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.cancel.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(client = %client.0, %error, "connection ended");
        }
    }
}

/// A connection's place. Dropping it lowers the gauge.
struct Open {
    _place: Place,
    counters: HttpCounters,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.counters.connections.dec();
    }
}

fn configure(stream: &TcpStream, stalled: Duration) -> io::Result<()> {
    // A record is small and must not wait for more.
    stream.set_nodelay(true)?;
    // A quiet stream sends nothing, so a vanished client would not be noticed.
    setsockopt(stream, sockopt::KeepAlive, &true)?;
    setsockopt(stream, sockopt::TcpKeepIdle, &PROBE_AFTER_S)?;
    setsockopt(stream, sockopt::TcpKeepInterval, &PROBE_EVERY_S)?;
    // A client that never reads would keep its place for ever.
    let stalled = u32::try_from(stalled.as_millis()).unwrap_or(u32::MAX);
    setsockopt(stream, sockopt::TcpUserTimeout, &stalled)?;
    Ok(())
}

/// Is true for errors of accept(2) that concern one connection or pass. Others concern the listener.
async fn pause_or_fail(error: io::Error) -> io::Result<()> {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK | Errno::EOPNOTSUPP) => Err(error),
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM) => {
            tracing::warn!(%error, "no connection can be accepted");
            sleep(BREATHER).await;
            Ok(())
        }
        _ => Ok(()),
    }
}
