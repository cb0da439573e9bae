//! Waits until every kernel program that ran at the call has ended.
//!
//! Updating an array of maps does that: after the update the kernel waits for an RCU grace period, so that no program
//! uses the old map any more (`maybe_wait_bpf_programs`,
//! <https://github.com/torvalds/linux/blob/v5.10/kernel/bpf/syscall.c>). `membarrier(2)` would wait as well, but fails
//! on nodes that boot with `nohz_full`.
#![expect(unsafe_code, reason = "aya makes an array of maps only for a program that uses it")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use crate::probes::sys::bpf;

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_TYPE_ARRAY: u32 = 2;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// The beginning of `union bpf_attr` for creating a map.
#[repr(C)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map_fd: u32,
}

/// The beginning of `union bpf_attr` for updating an element.
#[repr(C)]
struct Update {
    map_fd: u32,
    _pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Owns an array of one map, which no program uses.
pub(super) struct Grace {
    outer: OwnedFd,
    inner: OwnedFd,
}

impl Grace {
    pub(super) fn new() -> io::Result<Self> {
        let inner = create(BPF_MAP_TYPE_ARRAY, 0)?;
        let outer = create(BPF_MAP_TYPE_ARRAY_OF_MAPS, descriptor(&inner))?;
        Ok(Self { outer, inner })
    }

    /// Waits. It takes some milliseconds.
    pub(super) fn wait(&self) -> io::Result<()> {
        let (key, value) = (0u32, descriptor(&self.inner));
        let mut update = Update {
            map_fd: descriptor(&self.outer),
            _pad: 0,
            key: (&raw const key).addr() as u64,
            value: (&raw const value).addr() as u64,
            flags: 0,
        };
        bpf(BPF_MAP_UPDATE_ELEM, &mut update).map(drop)
    }
}

fn create(map_type: u32, inner_map_fd: u32) -> io::Result<OwnedFd> {
    let mut create = Create { map_type, key_size: 4, value_size: 4, max_entries: 1, flags: 0, inner_map_fd };
    let fd = bpf(BPF_MAP_CREATE, &mut create)?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn descriptor(fd: &OwnedFd) -> u32 {
    fd.as_raw_fd().cast_unsigned()
}
