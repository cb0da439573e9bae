//! Writes records into the ring buffer. A record that finds no room is counted; the counters in the maps stay exact.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use observer_abi::{
    Announced, AnnouncementRecord, AttemptRecord, ConnKey, ConnValue, Kind, Outcome, Phase, ResetRecord,
    Side, Tuple, Vantage, VipValue, lost,
};

use super::tables::{EVENTS, lose};

/// Reports the outcome of an attempt; `icmp` is the type (high byte) and code of a reject, `mark` that of a refusal.
#[inline(never)]
pub(super) fn attempt(key: &ConnKey, conn: &ConnValue, outcome: Outcome, icmp: u16, mark: u64) {
    let Some(vantage) = Vantage::from_byte(conn.vantage) else { return lose(lost::RING) };
    let Some(mut slot) = EVENTS.reserve::<AttemptRecord>(0) else { return lose(lost::RING) };
    slot.write(AttemptRecord {
        kind: Kind::Attempt,
        vantage,
        outcome,
        icmp_type: (icmp >> 8) as u8,
        icmp_code: icmp as u8,
        flags: conn.flags,
        _pad: [0; 2],
        time_ns: now(),
        tuple: conn.tuple(key),
        first_ns: conn.first_ns,
        isn: key.isn,
        syns: conn.syns,
        drop_reason: conn.drop_reason,
        _pad2: [0; 4],
        mark,
    });
    slot.submit(0);
}

/// Names the RST that is reported, and where it came from. It is one argument, because a BPF function takes five.
pub(super) struct Origin {
    pub(super) mark: u64,
    /// See [`ResetRecord::entered`].
    pub(super) entered: u32,
    /// See [`ResetRecord::flags`].
    pub(super) flags: u32,
}

/// Reports a RST. `vantage` is the byte as map values hold it: decoded here, once for all callers.
#[inline(never)]
pub(super) fn reset(tuple: &Tuple, vantage: u8, side: Side, phase: Phase, origin: &Origin) {
    let Some(vantage) = Vantage::from_byte(vantage) else { return lose(lost::RING) };
    let Some(mut slot) = EVENTS.reserve::<ResetRecord>(0) else { return lose(lost::RING) };
    slot.write(ResetRecord {
        kind: Kind::Reset,
        vantage,
        side,
        phase,
        entered: origin.entered,
        time_ns: now(),
        tuple: *tuple,
        mark: origin.mark,
        flags: u64::from(origin.flags),
    });
    slot.submit(0);
}

/// Reports a claim of a known VIP, see [`VipValue::claim`]. False if it found no room.
#[inline(never)]
pub(super) fn announcement(ip: &[u8; 16], claim: u64, how: Announced, now: u64) -> bool {
    let Some(mut slot) = EVENTS.reserve::<AnnouncementRecord>(0) else {
        lose(lost::RING);
        return false;
    };
    let (mac, _, outbound) = VipValue::parts(claim);
    slot.write(AnnouncementRecord {
        kind: Kind::Announcement,
        how,
        outbound,
        _pad: [0; 5],
        time_ns: now,
        ip: *ip,
        mac,
        _pad2: [0; 2],
    });
    slot.submit(0);
    true
}

/// Returns the time that records carry, nanoseconds of the monotonic clock.
#[inline(always)]
pub(super) fn now() -> u64 {
    // SAFETY: the helper only reads the clock.
    unsafe { bpf_ktime_get_ns() }
}
