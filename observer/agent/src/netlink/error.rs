//! The error of netlink.

use nix::errno::Errno;
use thiserror::Error;

/// The reason why the kernel's state could not be read.
#[derive(Debug, Error)]
pub enum NetlinkError {
    /// The socket could not be opened or set up.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[source] Errno),
    /// Sending or receiving failed.
    #[error("netlink {what}: {errno}")]
    Io {
        /// The operation that was tried.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The async runtime refused the socket.
    #[error("cannot wait for a netlink socket: {0}")]
    Runtime(#[from] std::io::Error),
    /// The kernel refused a request.
    #[error("the kernel refused the {what} dump: {errno}")]
    Refused {
        /// The kind of state that was requested.
        what: &'static str,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The dumped state kept changing.
    #[error("the {what} dump was interrupted by changes {tries} times in a row")]
    Unstable {
        /// The kind of state that was requested.
        what: &'static str,
        /// Tries made.
        tries: u32,
    },
    /// The kernel has no connection tracking, or its module is not loaded.
    #[error("connection tracking is not available: {0}")]
    NoConntrack(#[source] Errno),
    /// Reading conntrack needs CAP_NET_ADMIN.
    #[error("not allowed to read conntrack (needs CAP_NET_ADMIN): {0}")]
    ConntrackDenied(#[source] Errno),
    /// Another program reads the group of the packet log.
    #[error(
        "another program reads group {group} of the packet log: the one with netlink port {port}, usually its process ID"
    )]
    LogTaken {
        /// The group.
        group: u16,
        /// The netlink port of its reader.
        port: u32,
    },
    /// Reading the packet log needs CAP_NET_ADMIN.
    #[error("not allowed to read the packet log (needs CAP_NET_ADMIN): {0}")]
    LogDenied(#[source] Errno),
    /// The kernel has no packet log, or its module is missing.
    #[error("the kernel has no packet log (nfnetlink_log): {0}")]
    NoPacketLog(#[source] Errno),
    /// A table given in place of conntrack could not be read.
    #[error("the table of open connections can't be read: {0}")]
    Table(#[source] std::io::Error),
}
