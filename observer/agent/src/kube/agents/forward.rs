//! A forwarded connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kube::api::Portforwarder;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The error of the kubelet when the port can't be used; `None` if there is none.
pub type Trouble = BoxFuture<'static, Option<String>>;

/// Bytes to and from a pod's port. Dropping it closes the websocket, too.
pub struct Forward {
    io: DuplexStream,
    forwarder: Portforwarder,
}

impl Forward {
    /// Takes the stream of a port.
    pub(super) fn new(mut forwarder: Portforwarder, port: u16) -> Option<(Self, Trouble)> {
        let (io, trouble) = (forwarder.take_stream(port)?, forwarder.take_error(port)?);
        Some((Self { io, forwarder }, trouble.boxed()))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // Its task would wait for the server to close, and some never do.
        self.forwarder.abort();
    }
}

impl AsyncRead for Forward {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Forward {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
