//! A netlink socket on the async runtime.

use std::os::fd::{AsFd as _, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket, sockopt,
};
use tokio::io::unix::AsyncFd;

use crate::netlink::error::NetlinkError;
use crate::netlink::wire::{
    DONE, DUMP_INTERRUPTED, ERROR, Message, command_request, create_request, dump_request, messages,
    single_request,
};

/// The kernel's largest dump datagram is 32 KiB; one notification stays far below this.
const DATAGRAM: usize = 128 << 10;
/// Bytes the kernel queues: a thousand veths appearing at once make about 5 MiB of notifications.
pub(super) const RECEIVE_BUFFER: usize = 16 << 20;
/// An interrupted dump is started again this many times.
const TRIES: u32 = 10;

/// Holds a bound netlink socket and the buffer it reads into.
pub(super) struct Socket {
    fd: AsyncFd<OwnedFd>,
    buffer: Vec<u8>,
    seq: u32,
}

/// The way in which a dump ended. The caller makes it an error with a name.
enum DumpEnd {
    Complete,
    Interrupted,
    Refused(Errno),
}

impl Socket {
    /// Opens a socket for requests.
    pub(super) fn open(protocol: SockProtocol) -> Result<Self, NetlinkError> {
        Self::subscribe(protocol, 0, RECEIVE_BUFFER)
    }

    /// Opens a socket of `protocol`, subscribed to `groups` (a bit each), for which the kernel queues up to `buffer`
    /// bytes.
    pub(super) fn subscribe(
        protocol: SockProtocol,
        groups: u32,
        buffer: usize,
    ) -> Result<Self, NetlinkError> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd =
            socket(AddressFamily::Netlink, SockType::Raw, flags, protocol).map_err(NetlinkError::Open)?;
        // Beyond rmem_max needs CAP_NET_ADMIN; without it the system's limit applies, and overruns are repaired.
        if setsockopt(&fd, sockopt::RcvBufForce, &buffer).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &buffer).map_err(NetlinkError::Open)?;
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups)).map_err(NetlinkError::Open)?;
        #[expect(
            deprecated,
            reason = "its replacement is unsafe for the sake of types that don't own their descriptor"
        )]
        let fd = AsyncFd::new(fd)?;
        Ok(Self { fd, buffer: vec![0; DATAGRAM], seq: 0 })
    }

    /// Lends the descriptor, to set options of the socket.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.get_ref().as_fd()
    }

    /// Waits for a datagram. `ENOBUFS` means that notifications were lost.
    pub(super) async fn receive(&mut self) -> Result<&[u8], Errno> {
        let len = loop {
            let mut ready = self.fd.readable().await.map_err(|_| Errno::EIO)?;
            match read(self.fd.get_ref(), &mut self.buffer) {
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                other => break other?,
            }
        };
        self.buffer.get(..len).ok_or(Errno::EMSGSIZE)
    }

    /// Returns a datagram that is already queued, if any.
    pub(super) fn receive_now(&mut self) -> Result<Option<&[u8]>, Errno> {
        match read(self.fd.get_ref(), &mut self.buffer) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            // A cut datagram is a loss like any other.
            Ok(len) => self.buffer.get(..len).map(Some).ok_or(Errno::ENOBUFS),
            Err(errno) => Err(errno),
        }
    }

    /// Discards what is queued: after an overrun it is older than the dump that follows.
    pub(super) fn discard_queued(&mut self) {
        while matches!(read(self.fd.get_ref(), &mut self.buffer), Ok(_) | Err(Errno::ENOBUFS | Errno::EINTR))
        {
        }
    }

    /// Requests a dump and decodes it, again from the start when it was interrupted by a change.
    ///
    /// `decode` gets each message's type and body, and returns `None` for those to leave out.
    pub(super) async fn dump<T>(
        &mut self,
        what: &'static str,
        kind: u16,
        body: &[u8],
        decode: impl Fn(u16, &[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        let mut out = Vec::new();
        for _ in 0..TRIES {
            out.clear();
            match self.dump_once(kind, body, |message| out.extend(decode(message.kind, message.body))).await {
                Ok(DumpEnd::Complete) => return Ok(out),
                Ok(DumpEnd::Interrupted) => {}
                Ok(DumpEnd::Refused(errno)) => return Err(NetlinkError::Refused { what, errno }),
                Err(errno) => return Err(NetlinkError::Io { what, errno }),
            }
        }
        Err(NetlinkError::Unstable { what, tries: TRIES })
    }

    /// Requests a dump and passes each message's type and body to `each` as it comes, so that a large dump is never in
    /// memory as a whole. Objects that change meanwhile may be missing or come twice.
    pub(super) async fn stream(
        &mut self,
        what: &'static str,
        kind: u16,
        body: &[u8],
        mut each: impl FnMut(u16, &[u8]),
    ) -> Result<(), NetlinkError> {
        match self.dump_once(kind, body, |message| each(message.kind, message.body)).await {
            Ok(DumpEnd::Complete | DumpEnd::Interrupted) => Ok(()),
            Ok(DumpEnd::Refused(errno)) => Err(NetlinkError::Refused { what, errno }),
            Err(errno) => Err(NetlinkError::Io { what, errno }),
        }
    }

    /// Requests one object and decodes it; `None` if there is none. The kernel answers before the request returns, so
    /// that this does not wait.
    pub(super) fn ask<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        decode: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Errno> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        send(self.fd.as_raw_fd(), &single_request(kind, seq, body), MsgFlags::empty())?;
        while let Some(datagram) = self.receive_now()? {
            let Some(answer) = messages(datagram).find(|message| message.seq == seq) else { continue };
            return match (answer.kind, Errno::from_raw(answer.errno())) {
                (ERROR, Errno::ENOENT) => Ok(None),
                (ERROR, errno) => Err(errno),
                _ => Ok(decode(answer.body)),
            };
        }
        Err(Errno::EAGAIN)
    }

    /// Creates an object. An existing one stays as it is, and the answer is `EEXIST`. This may block: the kernel takes the
    /// lock of all network configuration for it, and answers before the request returns.
    pub(super) fn create(&mut self, kind: u16, body: &[u8]) -> Result<(), Errno> {
        self.acknowledged(|seq| create_request(kind, seq, body))
    }

    /// Sends a command. The kernel acknowledges it before the request returns, so that this does not wait.
    pub(super) fn command(&mut self, kind: u16, body: &[u8]) -> Result<(), Errno> {
        self.acknowledged(|seq| command_request(kind, seq, body))
    }

    /// Sends a request with the next number, and reads what it is answered with at once.
    fn acknowledged(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> Result<(), Errno> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        send(self.fd.as_raw_fd(), &request(seq), MsgFlags::empty())?;
        while let Some(datagram) = self.receive_now()? {
            let Some(answer) = messages(datagram).find(|message| message.seq == seq) else { continue };
            return match answer.errno() {
                0 => Ok(()),
                errno => Err(Errno::from_raw(errno)),
            };
        }
        Err(Errno::EAGAIN)
    }

    async fn dump_once(
        &mut self,
        kind: u16,
        body: &[u8],
        mut each: impl FnMut(Message<'_>),
    ) -> Result<DumpEnd, Errno> {
        self.seq = self.seq.wrapping_add(1);
        let seq = self.seq;
        send(self.fd.as_raw_fd(), &dump_request(kind, seq, body), MsgFlags::empty())?;
        let mut interrupted = false;
        loop {
            for message in messages(self.receive().await?).filter(|message| message.seq == seq) {
                interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    ERROR | DONE if message.errno() > 0 => {
                        return Ok(DumpEnd::Refused(Errno::from_raw(message.errno())));
                    }
                    DONE if interrupted => return Ok(DumpEnd::Interrupted),
                    DONE => return Ok(DumpEnd::Complete),
                    ERROR => {}
                    _ => each(message),
                }
            }
        }
    }
}

/// Reads a datagram. With `MSG_TRUNC` the kernel returns the true length, so that a cut datagram is noticed.
fn read(fd: &OwnedFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    recv(fd.as_raw_fd(), buffer, MsgFlags::MSG_TRUNC)
}
