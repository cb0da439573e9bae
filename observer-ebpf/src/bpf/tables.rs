//! Defines the maps, and counts in them.

use core::arch::asm;

use aya_ebpf::bindings::BPF_F_NO_PREALLOC;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf};
use observer_abi::{
    CgroupKey, CgroupNames, Cgroups, ConnKey, ConnValue, Counters, DropKey, FlowKey, FlowValue, Handshakes,
    Latencies, Listening, MAX_HIDDEN, MAX_MERGED, MAX_SINGLES, MAX_TRANSIT_RESETS, MAX_VIPS, Merged,
    MergedKey, NamespaceCheck, NamespaceKey, PORT_WORDS, PairKey, ResetReason, TransitReset, Vantage,
    VipValue, claims, iface, lost, resets_sent, turnover, unattributed,
};

/// `BPF_ANY`: an update replaces an entry that exists.
pub(super) const ANY: u64 = 0;

/// Pending handshakes. When there are too many, the oldest yields, and [`TURNOVER`] tells how many did.
#[map]
pub(super) static CONNS: LruHashMap<ConnKey, ConnValue> = LruHashMap::with_max_entries(65_536, 0);
/// Handshakes that ended without a connection: packets that repeat their SYN or their answer are nothing new.
#[map]
pub(super) static ENDED: LruHashMap<ConnKey, ConnValue> = LruHashMap::with_max_entries(16_384, 0);
/// SYNs that carry data (TCP Fast Open, RFC 7413), by the sequence number after it: an answer may acknowledge that. The
/// value is the initial sequence number.
#[map]
static FAST_OPEN: LruHashMap<ConnKey, u32> = LruHashMap::with_max_entries(1_024, 0);
/// Handshakes that began, and those that ended.
#[map]
static TURNOVER: PerCpuArray<u64> = PerCpuArray::with_max_entries(turnover::COUNT, 0);
/// Connections that opened lately, by the tuple that a hook sees. A flood of half-open ones can only push out its like.
#[map]
pub(super) static OPENED: LruHashMap<FlowKey, FlowValue> = LruHashMap::with_max_entries(65_536, 0);
/// Open connections that the kernel's connection table lists. Userspace makes the entries.
#[map]
pub(super) static LASTING: LruHashMap<FlowKey, FlowValue> = LruHashMap::with_max_entries(131_072, 0);
/// The TCP ports that servers are known to listen on, one bit each.
#[map]
static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);
/// Resets on their way through the node; userspace reports those that don't leave.
#[map]
pub(super) static RESETS: HashMap<u64, TransitReset> = HashMap::with_max_entries(MAX_TRANSIT_RESETS, 0);
/// The reasons of the resets that this kernel's TCP sent lately. Userspace looks them up, so that no packet costs a look-up.
#[map]
pub(super) static RESET_REASONS: LruHashMap<u64, ResetReason> = LruHashMap::with_max_entries(8_192, 0);
/// See [`resets_sent`]. It tells whether entries of [`RESET_REASONS`] may be gone.
#[map]
static RESETS_SENT: PerCpuArray<u64> = PerCpuArray::with_max_entries(resets_sent::COUNT, 0);
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
/// Established attempts beyond [`MAX_SINGLES`], in the same generations.
#[map]
static MERGED_0: HashMap<MergedKey, Merged> = HashMap::with_max_entries(MAX_MERGED, 0);
#[map]
static MERGED_1: HashMap<MergedKey, Merged> = HashMap::with_max_entries(MAX_MERGED, 0);
/// The number of established attempts that got records of their own, by generation.
#[map]
static SINGLES: Array<u64> = Array::with_max_entries(2, 0);
/// Is not 0 while somebody reads the records one by one: then no attempts are merged.
#[map]
static FOLLOWED: Array<u32> = Array::with_max_entries(1, 0);
/// The time that handshakes took, per vantage.
#[map]
static LATENCIES: PerCpuArray<Latencies> = PerCpuArray::with_max_entries(Vantage::ALL.len() as u32, 0);
/// The generation that is written to.
#[map]
static ACTIVE: Array<u32> = Array::with_max_entries(1, 0);
/// Counts that found no room, per vantage.
#[map]
static REMAINDER: PerCpuArray<Counters> = PerCpuArray::with_max_entries(Vantage::ALL.len() as u32, 0);
/// See [`lost`].
#[map]
static LOST: PerCpuArray<u64> = PerCpuArray::with_max_entries(lost::COUNT, 0);
/// The handshakes at pods' interfaces, by ifindex.
#[map]
static HANDSHAKES: HashMap<u32, Handshakes> = HashMap::with_max_entries(iface::MAX, BPF_F_NO_PREALLOC);
/// Role of each interface that has one, by ifindex.
#[map]
static IFACES: HashMap<u32, u8> = HashMap::with_max_entries(iface::MAX, BPF_F_NO_PREALLOC);
/// The kernel's number of the network namespace behind a pod's interface, by ifindex.
#[map]
static NAMESPACE_IDS: HashMap<u32, u32> = HashMap::with_max_entries(iface::MAX, BPF_F_NO_PREALLOC);
/// The attempts a SYN of which entered a pod while the server's accept queue was full, with the backlog. Userspace looks up
/// those that got no answer.
#[map]
static FULL_QUEUES: LruHashMap<ConnKey, u32> = LruHashMap::with_max_entries(4_096, 0);
/// The cgroups of the processes of the node's own network whose sockets wait for an answer, by the socket's address.
#[map]
pub(super) static SOCKETS: LruHashMap<u64, Cgroups> = LruHashMap::with_max_entries(4_096, 0);
/// The cgroups of the processes that began attempts in the node's own network.
#[map]
pub(super) static OWNERS: LruHashMap<ConnKey, Cgroups> = LruHashMap::with_max_entries(4_096, 0);
/// The sockets that listen in the node's own network, by their address; those that are older than the agent by their cgroup and
/// port.
#[map]
pub(super) static LISTENERS: LruHashMap<u64, Listening> = LruHashMap::with_max_entries(1_024, 0);
/// The addresses of this node's pods whose packets no hook sees. Userspace makes the entries.
#[map]
static HIDDEN: HashMap<[u8; 16], u8> = HashMap::with_max_entries(MAX_HIDDEN, 0);
/// The names of the cgroups in the three maps before.
#[map]
pub(super) static CGROUPS: LruHashMap<CgroupKey, CgroupNames> = LruHashMap::with_max_entries(1_024, 0);
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

/// `BPF_NOEXIST`: an update makes a new entry only.
pub(super) const NOEXIST: u64 = 1;
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

/// Is true while established attempts have records of their own. Each call takes one of them.
#[inline(always)]
pub(super) fn takes_single() -> bool {
    if FOLLOWED.get(0).copied().unwrap_or(0) != 0 {
        return true;
    }
    let Some(singles) = SINGLES.get_ptr_mut(active() & 1) else { return true };
    // SAFETY: it points into a map value, and is one word. Another CPU may add at the same time, so that some more have
    // records: that is no harm.
    if unsafe { core::ptr::read_volatile(singles) } >= MAX_SINGLES {
        return false;
    }
    add(singles, 1);
    true
}

/// Returns the entry by which attempts with this key are merged. Null if the map is full.
#[inline(always)]
pub(super) fn merged(key: &MergedKey) -> *mut Merged {
    const NONE: Merged = Merged { count: 0, time_ns: 0, isn: 0, sport: 0, _pad: [0; 2] };
    let map = if active() == 0 { &MERGED_0 } else { &MERGED_1 };
    if let Some(found) = map.get_ptr_mut(key) {
        return found;
    }
    let _ = map.insert(key, &NONE, NOEXIST);
    map.get_ptr_mut(key).unwrap_or(core::ptr::null_mut())
}

/// Returns this CPU's counts of the time that handshakes took.
#[inline(always)]
pub(super) fn latencies(vantage: u8) -> Option<*mut Latencies> {
    LATENCIES.get_ptr_mut(u32::from(vantage))
}

/// Counts one drop. Returns the pair's count since the last drain, 0 when there is no room for the pair.
#[inline(always)]
pub(super) fn count_drop(key: &DropKey) -> u64 {
    let map = if active() == 0 { &DROPS_0 } else { &DROPS_1 };
    let mut found = map.get_ptr_mut(key);
    if found.is_none() {
        let _ = map.insert(key, &0, NOEXIST);
        found = map.get_ptr_mut(key);
    }
    let Some(count) = found else {
        lose(lost::DROPS);
        return 0;
    };
    add(count, 1);
    // SAFETY: it points into a map value, and is one word. Another CPU may add at the same time.
    unsafe { core::ptr::read_volatile(count) }
}

/// Counts a loss.
#[inline(always)]
pub(super) fn lose(slot: u32) {
    if let Some(n) = LOST.get_ptr_mut(slot) {
        add(n, 1);
    }
}

/// Counts a RST that TCP announced.
#[inline(always)]
pub(super) fn count_sent(slot: u32) {
    if let Some(n) = RESETS_SENT.get_ptr_mut(slot) {
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

/// Names a field of [`Handshakes`].
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Handshake {
    Syn,
    Bypassed,
    Unknown,
}

/// Counts a packet of a handshake at a pod's interface. Without room for the interface it is not counted.
#[inline(never)]
pub(super) fn count_handshake(ifindex: u32, packet: Handshake) {
    const NONE: Handshakes = Handshakes { syns: 0, bypassed: 0, unknown: 0 };
    if HANDSHAKES.get_ptr(&ifindex).is_none() {
        let _ = HANDSHAKES.insert(&ifindex, &NONE, NOEXIST);
    }
    let Some(counts) = HANDSHAKES.get_ptr_mut(&ifindex) else { return };
    // SAFETY: it points into a map value; each count is a single word.
    let count = unsafe {
        match packet {
            Handshake::Syn => &raw mut (*counts).syns,
            Handshake::Bypassed => &raw mut (*counts).bypassed,
            Handshake::Unknown => &raw mut (*counts).unknown,
        }
    };
    add(count, 1);
}

/// Returns the role of an interface.
#[inline(always)]
pub(super) fn role(ifindex: u32) -> u8 {
    // SAFETY: the value is one byte, which is read whole.
    unsafe { IFACES.get(&ifindex) }.copied().unwrap_or(iface::UNKNOWN)
}

/// Returns the number of the namespace behind an interface.
#[inline(always)]
pub(super) fn namespace_id(ifindex: u32) -> Option<u32> {
    // SAFETY: the value is one word, which is read whole.
    unsafe { NAMESPACE_IDS.get(&ifindex) }.copied()
}

/// Is true for the address of a pod whose packets no hook sees.
#[inline(always)]
pub(super) fn is_hidden(ip: &[u8; 16]) -> bool {
    HIDDEN.get_ptr(ip).is_some()
}

/// Notes that an accept queue with this backlog was full for an attempt's SYN.
#[inline(always)]
pub(super) fn note_full_queue(key: &ConnKey, backlog: u32) {
    let _ = FULL_QUEUES.insert(key, &backlog, ANY);
}

/// Makes an entry for a handshake that begins.
#[inline(always)]
pub(super) fn begin(key: &ConnKey, conn: &ConnValue) {
    if CONNS.insert(key, conn, NOEXIST).is_ok() {
        turn(turnover::BEGUN);
    } else {
        lose(lost::CONNS);
    }
}

/// Removes the entry of a handshake that has ended. False if another was first: it reports the attempt.
#[inline(always)]
pub(super) fn end(key: &ConnKey) -> bool {
    let removed = CONNS.remove(key).is_ok();
    if removed {
        turn(turnover::ENDED);
    }
    removed
}

#[inline(always)]
fn turn(slot: u32) {
    if let Some(n) = TURNOVER.get_ptr_mut(slot) {
        add(n, 1);
    }
}

/// Remembers that an answer to this SYN may acknowledge `len` bytes of data too.
#[inline(always)]
pub(super) fn remember_data(key: &ConnKey, len: u32) {
    let after = ConnKey { isn: key.isn.wrapping_add(len), ..*key };
    let _ = FAST_OPEN.insert(&after, &key.isn, 0);
}

/// Returns the key of the SYN whose data ends here.
#[inline(always)]
pub(super) fn with_data(after: &ConnKey) -> Option<ConnKey> {
    // SAFETY: the value is one word, which is read whole.
    let isn = unsafe { FAST_OPEN.get(after) }?;
    Some(ConnKey { isn: *isn, ..*after })
}

/// Is true for the port of a known server.
#[inline(always)]
fn listens(port: u16) -> bool {
    PORTS.get(u32::from(port) / 64).is_some_and(|word| word >> (port % 64) & 1 != 0)
}

/// Guesses whether the sender of a packet, from port `sport`, is the server. What listens is known of many ports; of the
/// others the lower one is taken.
#[inline(always)]
pub(super) fn from_server(sport: u16, dport: u16) -> bool {
    match (listens(sport), listens(dport)) {
        (true, false) => true,
        (false, true) => false,
        _ => sport < dport,
    }
}

/// Returns an open connection, by the tuple that the hook sees.
#[inline(always)]
pub(super) fn opened(key: &FlowKey) -> Option<*mut FlowValue> {
    OPENED.get_ptr_mut(key).or_else(|| LASTING.get_ptr_mut(key))
}
