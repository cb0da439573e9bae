//! bpf(2), for what aya doesn't offer.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::io;

/// Makes the call. `attr` is the beginning of `union bpf_attr` as the command reads and writes it; the kernel takes the rest
/// as zero. Pointers in it must be those of variables that outlive the call, and as large as it says.
pub(super) fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: the kernel reads and writes at most the size that is passed; for the pointers in it see above.
    let rc = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(rc) }
}
