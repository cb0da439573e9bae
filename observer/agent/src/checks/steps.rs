//! The steps of one check: connect, exchange, hold, close.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use arcstr::ArcStr;
use flow_model::input::CheckStep;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout};

use crate::checks::spec::CheckSpec;
use crate::duration::format as human;

/// Bytes of an unexpected answer that an error quotes.
const MAX_QUOTE: usize = 48;

/// The result of one run of a check.
#[derive(Debug)]
pub(super) struct Run {
    /// The local address; for a connection that was not established, as far as the kernel had chosen it.
    pub(super) local: SocketAddr,
    pub(super) failed: Option<Failure>,
}

/// The step at which a check failed, and the reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) step: CheckStep,
    pub(super) why: ArcStr,
}

/// Runs a check against this address. Dropping the future closes the connection.
pub(super) async fn run(spec: &CheckSpec, to: SocketAddr) -> Run {
    let mut local = unspecified(to);
    let failed = all(spec, to, &mut local).await.err();
    Run { local, failed }
}

async fn all(spec: &CheckSpec, to: SocketAddr, local: &mut SocketAddr) -> Result<(), Failure> {
    let at = |step| move |why: String| Failure { step, why: why.into() };
    let limit = spec.timeout;
    let mut stream = within(limit, connect(to, local)).await.map_err(at(CheckStep::Connect))?;
    within(limit, exchange(&mut stream, spec)).await.map_err(at(CheckStep::Exchange))?;
    hold(&mut stream, spec.hold).await.map_err(at(CheckStep::Hold))?;
    within(limit, close(&mut stream)).await.map_err(at(CheckStep::Close))
}

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| format!("no answer within {}", human(limit));
    timeout(limit, step).await.map_err(late)?
}

async fn connect(to: SocketAddr, local: &mut SocketAddr) -> Result<TcpStream, String> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(in_words)?;
    *local = local_address(&socket, to);
    let stream = socket.connect(to).await.map_err(in_words)?;
    *local = stream.local_addr().map_err(in_words)?;
    stream.set_nodelay(true).map_err(in_words)?;
    Ok(stream)
}

/// Returns the local address before there is a connection, so that a refused check can be matched with its attempt.
fn local_address(socket: &TcpSocket, to: SocketAddr) -> SocketAddr {
    let any = unspecified(to);
    // Binds a port. Where none is free, connecting may still share one with another destination.
    let port = socket.bind(any).and_then(|()| socket.local_addr()).map_or(0, |local| local.port());
    // Connecting a UDP socket sends nothing; it only looks up the route.
    let route = || -> io::Result<SocketAddr> {
        let probe = UdpSocket::bind(any)?;
        probe.connect(to)?;
        probe.local_addr()
    };
    SocketAddr::new(route().unwrap_or(any).ip(), port)
}

fn unspecified(to: SocketAddr) -> SocketAddr {
    if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() }
}

async fn exchange(stream: &mut TcpStream, spec: &CheckSpec) -> Result<(), String> {
    if let Some(payload) = &spec.send {
        stream.write_all(payload).await.map_err(in_words)?;
    }
    match &spec.expect {
        Some(expected) => expect(stream, expected).await,
        None => Ok(()),
    }
}

/// Reads until the answer has begun as expected, or differs.
async fn expect(stream: &mut TcpStream, expected: &[u8]) -> Result<(), String> {
    let mut got = vec![0; expected.len()];
    let mut filled = 0;
    while filled < expected.len() {
        let n = stream.read(&mut got[filled..]).await.map_err(in_words)?;
        if n == 0 {
            return Err(format!(
                "closed by the server; expected {}, got {}",
                quote(expected),
                quote(&got[..filled])
            ));
        }
        filled += n;
        if got[..filled] != expected[..filled] {
            return Err(format!("expected {}, got {}", quote(expected), quote(&got[..filled])));
        }
    }
    Ok(())
}

/// Keeps the connection idle. Data from the server is read and discarded, so that the end of the stream behind it is seen.
async fn hold(stream: &mut TcpStream, time: Duration) -> Result<(), String> {
    let started = Instant::now();
    match timeout(time, end(stream)).await {
        Err(_) => Ok(()),
        Ok(how) => {
            let held =
                Duration::from_millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
            let why = how.err().unwrap_or_else(|| "closed by the server".into());
            Err(format!("{why} after {} of {}", human(held), human(time)))
        }
    }
}

/// Sends a FIN and waits for the server's. A host that doesn't know the connection, because the address has moved to it,
/// answers with a RST.
async fn close(stream: &mut TcpStream) -> Result<(), String> {
    stream.shutdown().await.map_err(in_words)?;
    end(stream).await
}

/// Waits for the server's FIN. Every other end of the connection is an error.
async fn end(stream: &mut TcpStream) -> Result<(), String> {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.map_err(in_words)? > 0 {}
    Ok(())
}

/// Returns the usual errors in words, without the system's number.
#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn in_words(error: io::Error) -> String {
    use io::ErrorKind as Kind;
    match error.kind() {
        kind @ (Kind::ConnectionRefused
        | Kind::ConnectionReset
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NotConnected
        | Kind::BrokenPipe
        | Kind::TimedOut) => kind.to_string(),
        _ => error.to_string(),
    }
}

fn quote(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_QUOTE)];
    let more = if bytes.len() > MAX_QUOTE { "..." } else { "" };
    format!("`{}{more}`", shown.escape_ascii())
}
