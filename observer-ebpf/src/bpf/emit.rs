//! Records into the ring buffer. One that finds no room is counted; the counters in the maps stay exact.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use observer_abi::{
    AnnouncementRecord, AttemptRecord, ConnKey, ConnValue, Header, ResetRecord, Tuple, VipValue, kind, lost,
    vantage,
};

use super::tables::{EVENTS, lose};

/// The outcome of an attempt; `icmp` is type (high byte) and code of a reject.
#[inline(never)]
pub(super) fn attempt(key: &ConnKey, conn: &ConnValue, outcome: u8, icmp: u16) {
    let Some(mut slot) = EVENTS.reserve::<AttemptRecord>(0) else { return lose(lost::RING) };
    slot.write(AttemptRecord {
        header: header(kind::ATTEMPT, conn.vantage, outcome, (icmp >> 8) as u8, icmp as u8),
        tuple: Tuple {
            src: key.src,
            dst: conn.dst,
            backend: conn.backend,
            sport: key.sport,
            dport: conn.dport,
            backend_port: conn.backend_port,
            _pad: [0; 2],
        },
        first_ns: conn.first_ns,
        isn: key.isn,
        syns: conn.syns,
        drop_reason: conn.drop_reason,
        _pad: 0,
    });
    slot.submit(0);
}

/// A RST.
#[inline(never)]
pub(super) fn reset(tuple: &Tuple, vantage: u8, side: u8, phase: u8) {
    let Some(mut slot) = EVENTS.reserve::<ResetRecord>(0) else { return lose(lost::RING) };
    slot.write(ResetRecord { header: header(kind::RESET, vantage, side, phase, 0), tuple: *tuple });
    slot.submit(0);
}

/// A claim of a known VIP, see [`VipValue::claim`]. False if it found no room.
#[inline(never)]
pub(super) fn announcement(ip: &[u8; 16], claim: u64, now: u64, ifindex: u32) -> bool {
    let Some(mut slot) = EVENTS.reserve::<AnnouncementRecord>(0) else {
        lose(lost::RING);
        return false;
    };
    let (mac, how, outbound) = VipValue::parts(claim);
    slot.write(AnnouncementRecord {
        // The time of the claim, which the map has as well.
        header: Header {
            kind: kind::ANNOUNCEMENT,
            vantage: vantage::TRANSIT,
            a: how,
            b: outbound as u8,
            c: 0,
            _pad: [0; 3],
            time_ns: now,
        },
        ip: *ip,
        mac,
        _pad: [0; 2],
        ifindex,
        _pad2: 0,
    });
    slot.submit(0);
    true
}

/// What every record starts with.
#[inline(always)]
pub(super) fn header(kind: u8, vantage: u8, a: u8, b: u8, c: u8) -> Header {
    // SAFETY: the helper only reads the clock.
    Header { kind, vantage, a, b, c, _pad: [0; 3], time_ns: unsafe { bpf_ktime_get_ns() } }
}
