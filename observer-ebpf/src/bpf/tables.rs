//! Defines the maps, and counts in them.

use core::arch::asm;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use observer_abi::{
    ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, MAX_TRANSIT_RESETS, MAX_VIPS, NamespaceCheck,
    NamespaceKey, PairKey, TransitReset, Vantage, VipValue, claims, iface, lost, unattributed,
};

/// Handshakes: pending ones, and for a while those that were rejected or got no answer.
#[map]
pub(super) static CONNS: HashMap<ConnKey, ConnValue> = HashMap::with_max_entries(65_536, 0);
/// Open connections, by the tuple that a hook sees.
#[map]
pub(super) static FLOWS: LruHashMap<FlowKey, FlowValue> = LruHashMap::with_max_entries(131_072, 0);
/// Resets on their way through the node; userspace reports those that don't leave.
#[map]
pub(super) static RESETS: HashMap<u64, TransitReset> = HashMap::with_max_entries(MAX_TRANSIT_RESETS, 0);
/// Connections that ended recently: late resets still belong to them.
#[map]
pub(super) static CLOSED: LruHashMap<FlowKey, FlowValue> = LruHashMap::with_max_entries(16_384, 0);
/// First of two generations of counters. Userspace flips [`ACTIVE`], waits until no program can still write to the
/// other generation, then drains it. So no increment is lost, and the maps need to hold one interval only.
#[map]
static PAIRS_0: HashMap<PairKey, Counters> = HashMap::with_max_entries(16_384, 0);
#[map]
static PAIRS_1: HashMap<PairKey, Counters> = HashMap::with_max_entries(16_384, 0);
#[map]
static DROPS_0: HashMap<DropKey, u64> = HashMap::with_max_entries(4_096, 0);
#[map]
static DROPS_1: HashMap<DropKey, u64> = HashMap::with_max_entries(4_096, 0);
/// The generation that is written to.
#[map]
static ACTIVE: Array<u32> = Array::with_max_entries(1, 0);
/// Counts that found no room, per vantage.
#[map]
static REMAINDER: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Vantage::ALL.len() as u32, 0);
/// See [`lost`].
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);
/// Role of each interface, by ifindex.
#[map]
static IFACES: Array<u8> = Array::with_max_entries(iface::MAX, 0);
/// The known VIPs. Only userspace makes entries, so that no claim can take memory.
#[map]
pub(super) static VIPS: HashMap<[u8; 16], VipValue> = HashMap::with_max_entries(MAX_VIPS, BPF_F_NO_PREALLOC);
/// See [`claims`].
#[map]
static CLAIMS: PerCpuArray<u64> = PerCpuArray::with_max_entries(claims::COUNT, 0);
/// Network namespaces that drops were seen in lately: are they pods' of this node?
#[map]
pub(super) static NAMESPACE_CHECKS: LruHashMap<NamespaceKey, NamespaceCheck> =
    LruHashMap::with_max_entries(1_024, 0);
/// See [`unattributed`].
#[map]
static UNATTRIBUTED: PerCpuArray<u64> = PerCpuArray::with_max_entries(unattributed::COUNT, 0);
/// The time when the next record would be due if the records of all VIPs together kept to their rate, see
/// [`VipValue::due_ns`].
#[map]
pub(super) static DUE: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub(super) static EVENTS: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

const NOEXIST: u64 = 1;
static ZERO: Counters = Counters::ZERO;

/// Adds to a counter in a map value, atomically. It is assembly, because core has no `fetch_add` for this target, and
/// an intrinsic may become the fetching form that kernels before 5.12 refuse.
#[inline(always)]
pub(super) fn add(counter: *mut u64, n: i64) {
    // SAFETY: callers pass pointers into map values, which stay valid while the program runs.
    unsafe { asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) n) };
}

#[inline(always)]
fn active() -> u32 {
    ACTIVE.get(0).copied().unwrap_or(0)
}

/// Returns the pair's counters, or the remainder's when the map is full. Null only for a vantage out of range.
///
/// It is not inlined, because 512 bytes of stack would not be enough for its callers then.
#[inline(never)]
pub(super) fn counters(key: &PairKey) -> *mut Counters {
    let map = if active() == 0 { &PAIRS_0 } else { &PAIRS_1 };
    if let Some(found) = map.get_ptr_mut(key) {
        return found;
    }
    // A failed insert is either a race with another CPU or a full map; the look-up shows which.
    let _ = map.insert(key, &ZERO, NOEXIST);
    if let Some(found) = map.get_ptr_mut(key) {
        return found;
    }
    lose(lost::PAIRS);
    REMAINDER.get_ptr_mut(u32::from(key.vantage)).unwrap_or(core::ptr::null_mut())
}

/// Counts one drop.
#[inline(always)]
pub(super) fn count_drop(key: &DropKey) {
    let map = if active() == 0 { &DROPS_0 } else { &DROPS_1 };
    if let Some(found) = map.get_ptr_mut(key) {
        return add(found, 1);
    }
    let _ = map.insert(key, &0, NOEXIST);
    match map.get_ptr_mut(key) {
        Some(found) => add(found, 1),
        None => lose(lost::DROPS),
    }
}

/// Counts a loss.
#[inline(always)]
pub(super) fn lose(slot: u32) {
    if let Some(n) = LOST.get_ptr_mut(slot) {
        add(n, 1);
    }
}

/// Counts an announcement without a record.
#[inline(always)]
pub(super) fn count_claim(slot: u32) {
    if let Some(n) = CLAIMS.get_ptr_mut(slot) {
        add(n, 1);
    }
}

/// Counts a drop that is not reported.
#[inline(always)]
pub(super) fn count_unattributed(slot: u32) {
    if let Some(n) = UNATTRIBUTED.get_ptr_mut(slot) {
        add(n, 1);
    }
}

/// Returns the role of an interface.
#[inline(always)]
pub(super) fn role(ifindex: u32) -> u8 {
    IFACES.get(ifindex).copied().unwrap_or(iface::UNKNOWN)
}
