//! bpf(2), for what aya doesn't offer, and an option of netlink sockets.
#![expect(unsafe_code, reason = "bpf(2) and this option have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

/// `SOL_NETLINK` and `NETLINK_GET_STRICT_CHK` of <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/netlink.h>.
const STRICT: (libc::c_int, libc::c_int) = (270, 12);

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

/// Makes the call. `attr` is the beginning of `union bpf_attr` as the command reads and writes it; the kernel takes the rest
/// as zero. Pointers in it must be those of variables that outlive the call, and as large as it says.
pub(super) fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes at most the size that is passed; for the pointers in it see above.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}
