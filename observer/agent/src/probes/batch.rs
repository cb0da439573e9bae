//! Reads a hash map in batches (`BPF_MAP_LOOKUP_BATCH`, 5.6+), which aya does not offer.
//!
//! Walking key by key starts over whenever the current key was deleted meanwhile: on a busy map such a walk may never
//! end. A batch goes on from bucket to bucket. Layout: `union bpf_attr`,
//! <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/bpf.h>.
#![expect(unsafe_code, reason = "bpf(2) has no safe wrapper for batches")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use aya::Pod;
use aya::maps::{Map, MapData};

const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;
/// Entries per call. A whole bucket must fit.
const SIZE: usize = 1_024;

#[repr(C)]
#[derive(Clone, Copy)]
struct Attr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// Holds a map's descriptor, beside aya's own handle.
pub(super) struct Batches {
    fd: OwnedFd,
    /// Entries that the map can have; 0 where the kernel doesn't tell.
    capacity: usize,
}

impl Batches {
    /// Duplicates the descriptor of a map that aya holds.
    pub(super) fn of(map: &Map) -> io::Result<Self> {
        let (Map::HashMap(data) | Map::LruHashMap(data)) = map else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a hash map"));
        };
        Self::from_data(data)
    }

    fn from_data(data: &MapData) -> io::Result<Self> {
        let capacity = data.info().map_or(0, |info| info.max_entries() as usize);
        Ok(Self { fd: data.fd().as_fd().try_clone_to_owned()?, capacity })
    }

    /// Returns how many entries the map can have.
    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Returns every entry. Entries that come or go meanwhile may be among them or not.
    pub(super) fn read<K: Pod, V: Pod>(&self) -> io::Result<Vec<(K, V)>> {
        self.walk(BPF_MAP_LOOKUP_BATCH)
    }

    /// Returns every entry and removes it from the map.
    pub(super) fn take<K: Pod, V: Pod>(&self) -> io::Result<Vec<(K, V)>> {
        self.walk(BPF_MAP_LOOKUP_AND_DELETE_BATCH)
    }

    fn walk<K: Pod, V: Pod>(&self, command: libc::c_long) -> io::Result<Vec<(K, V)>> {
        // SAFETY: `Pod` types are valid for every bit pattern, zero included.
        let (mut keys, mut values) =
            unsafe { (vec![std::mem::zeroed::<K>(); SIZE], vec![std::mem::zeroed::<V>(); SIZE]) };
        let mut out = Vec::new();
        let mut token: Option<u32> = None;
        loop {
            let mut next = 0u32;
            let mut attr = Attr {
                in_batch: token.as_ref().map_or(0, |t| std::ptr::from_ref(t) as u64),
                out_batch: &raw mut next as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: SIZE as u32,
                map_fd: self.fd.as_raw_fd().cast_unsigned(),
                elem_flags: 0,
                flags: 0,
            };
            // SAFETY: every pointer in `attr` outlives the call; the buffers hold `count` keys and values of the
            // map's own types, and the token of a hash map is 4 bytes.
            let rc = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut attr, size_of::<Attr>()) };
            let error = (rc != 0).then(io::Error::last_os_error);
            let last = match error {
                None => false,
                // The last batch comes with this.
                Some(e) if e.raw_os_error() == Some(libc::ENOENT) => true,
                Some(e) => return Err(e),
            };
            let got = (attr.count as usize).min(SIZE);
            out.extend(keys[..got].iter().copied().zip(values[..got].iter().copied()));
            if last {
                return Ok(out);
            }
            token = Some(next);
        }
    }
}
