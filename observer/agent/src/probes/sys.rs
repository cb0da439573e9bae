//! bpf(2), for what aya doesn't offer, and options of sockets.
#![expect(unsafe_code, reason = "bpf(2) and these options have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

/// `SOL_NETLINK` and `NETLINK_GET_STRICT_CHK` of <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/netlink.h>.
const STRICT: (libc::c_int, libc::c_int) = (270, 12);

/// `SO_NETNS_COOKIE` of <https://github.com/torvalds/linux/blob/v5.14/include/uapi/asm-generic/socket.h>.
const NETNS_COOKIE: libc::c_int = 71;

/// Makes the kernel read every field of dump requests on a netlink socket.
pub(super) fn be_strict(socket: BorrowedFd<'_>) -> io::Result<()> {
    let yes: libc::c_int = 1;
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `length` bytes at the pointer, which is that of a variable of this size.
    let rc = unsafe {
        libc::setsockopt(socket.as_raw_fd(), STRICT.0, STRICT.1, std::ptr::from_ref(&yes).cast(), length)
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns the number of this thread's network namespace. The kernel gives each its own until the machine restarts (5.14+);
/// before, the number of its inode must do.
pub(super) fn network_namespace() -> io::Result<u64> {
    let socket = std::net::UdpSocket::bind((std::net::Ipv4Addr::UNSPECIFIED, 0))?;
    let (mut cookie, mut length) = (0u64, size_of::<u64>() as libc::socklen_t);
    // SAFETY: the kernel writes at most `length` bytes at the pointer, which is that of a variable of this size.
    let rc = unsafe {
        let value = (&raw mut cookie).cast();
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, NETNS_COOKIE, value, &raw mut length)
    };
    if rc == 0 { Ok(cookie) } else { std::fs::metadata("/proc/thread-self/ns/net").map(|ns| ns.ino()) }
}

/// Makes the call. `attr` is the beginning of `union bpf_attr` as the command reads and writes it; the kernel takes the rest
/// as zero. Pointers in it must be those of variables that outlive the call, and as large as it says.
pub(super) fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes at most the size that is passed; for the pointers in it see above.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}
