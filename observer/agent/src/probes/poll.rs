//! Waits for a file descriptor on the async runtime.

use std::io;
use std::os::fd::AsRawFd;

use tokio::io::unix::AsyncFd;

/// Registers the owner of a descriptor with the runtime.
pub(super) fn poll<T: AsRawFd>(owner: T) -> io::Result<AsyncFd<T>> {
    #![expect(unsafe_code, reason = "tokio can't check that the descriptor stays open")]
    // SAFETY: `owner` keeps its descriptor open and the same until it is dropped, and `AsyncFd` owns it.
    Ok(unsafe { AsyncFd::register(owner) }?)
}
