//! ABI bytes to core inputs.

use std::net::{IpAddr, Ipv6Addr};

use arcstr::ArcStr;
use flow_model::flow::{Counts, FlowTuple, Outcome, Pair, Phase, Side, Vantage};
use flow_model::input::{
    Announced, AnnouncementSeen, AttemptSeen, DropDelta, DropSeen, Input, PairDelta, ResetSeen,
};
use flow_model::mac::Mac;
use observer_abi::{
    AnnouncementRecord, AttemptRecord, ConnKey, ConnValue, Counters, DropKey, DropRecord, HeldReset, PairKey,
    Record, ResetRecord, Tuple, VipValue, announced, outcome, phase, side, vantage,
};

use crate::probes::clock::Clock;
use crate::probes::reasons::Reasons;

pub(super) fn ip(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

/// An address as the kernel maps have it.
pub(super) fn bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn vantage(v: u8) -> Vantage {
    match v {
        vantage::SOURCE => Vantage::Source,
        vantage::DESTINATION => Vantage::Destination,
        _ => Vantage::Transit,
    }
}

fn outcome(o: u8) -> Outcome {
    match o {
        outcome::ESTABLISHED => Outcome::Established,
        outcome::REFUSED => Outcome::Refused,
        outcome::REJECTED => Outcome::Rejected,
        _ => Outcome::Unanswered,
    }
}

fn tuple(t: &Tuple) -> FlowTuple {
    FlowTuple {
        src: ip(t.src),
        sport: t.sport,
        dst: ip(t.dst),
        dport: t.dport,
        backend: (t.backend_port != 0).then(|| (ip(t.backend), t.backend_port)),
    }
}

/// A ring record as an input.
pub(super) fn input(record: &Record, clock: Clock, reasons: &Reasons) -> Input {
    match record {
        Record::Attempt(a) => Input::Attempt(attempt(a, clock, reasons)),
        Record::Reset(r) => Input::Reset(reset(r, clock)),
        Record::Drop(d) => Input::Drop(drop(d, clock, reasons)),
        Record::Announcement(a) => Input::Announcement(announcement(a, clock)),
    }
}

fn attempt(a: &AttemptRecord, clock: Clock, reasons: &Reasons) -> AttemptSeen {
    let outcome = outcome(a.header.a);
    AttemptSeen {
        time: clock.wall(a.header.time_ns),
        tuple: tuple(&a.tuple),
        vantage: vantage(a.header.vantage),
        outcome,
        icmp: (outcome == Outcome::Rejected).then_some((a.header.b, a.header.c)),
        latency_ns: a.header.time_ns.saturating_sub(a.first_ns),
        syns: a.syns,
        isn: a.isn,
        drop_reason: reasons.recorded(a.drop_reason),
        masqueraded: None,
    }
}

fn reset(r: &ResetRecord, clock: Clock) -> ResetSeen {
    ResetSeen {
        time: clock.wall(r.header.time_ns),
        tuple: tuple(&r.tuple),
        vantage: vantage(r.header.vantage),
        by: if r.header.a == side::CLIENT { Side::Client } else { Side::Server },
        phase: match r.header.b {
            phase::HANDSHAKE => Phase::Handshake,
            phase::ESTABLISHED => Phase::Established,
            _ => Phase::Orphan,
        },
    }
}

fn drop(d: &DropRecord, clock: Clock, reasons: &Reasons) -> DropSeen {
    DropSeen {
        time: clock.wall(d.header.time_ns),
        tuple: tuple(&d.tuple),
        reason: reasons.name(d.reason),
        protocol: d.header.a,
        tcp_flags: d.header.b,
        seq: d.seq,
        oriented: d.header.c != 0,
    }
}

fn announcement(a: &AnnouncementRecord, clock: Clock) -> AnnouncementSeen {
    AnnouncementSeen {
        time: clock.wall(a.header.time_ns),
        ip: ip(a.ip),
        mac: Mac(a.mac),
        how: announced(a.header.a),
        outbound: a.header.b != 0,
    }
}

/// The newest claim of a VIP, from its map entry.
pub(super) fn newest_claim(key: [u8; 16], vip: &VipValue, clock: Clock) -> AnnouncementSeen {
    let (mac, how, outbound) = VipValue::parts(vip.newest);
    let time = clock.wall(vip.newest_ns);
    AnnouncementSeen { time, ip: ip(key), mac: Mac(mac), how: announced(how), outbound }
}

fn announced(how: u8) -> Announced {
    match how {
        announced::GRATUITOUS_REQUEST => Announced::GratuitousRequest,
        announced::GRATUITOUS_REPLY => Announced::GratuitousReply,
        announced::ADVERTISEMENT => Announced::Advertisement,
        _ => Announced::Arp,
    }
}

/// An attempt that nobody answered, from its map entry.
pub(super) fn unanswered(
    key: &ConnKey,
    conn: &ConnValue,
    now_ns: u64,
    clock: Clock,
    reasons: &Reasons,
) -> AttemptSeen {
    AttemptSeen {
        time: clock.wall(now_ns),
        tuple: FlowTuple {
            src: ip(key.src),
            sport: key.sport,
            dst: ip(conn.dst),
            dport: conn.dport,
            backend: (conn.backend_port != 0).then(|| (ip(conn.backend), conn.backend_port)),
        },
        vantage: vantage(conn.vantage),
        outcome: Outcome::Unanswered,
        icmp: None,
        latency_ns: 0,
        syns: conn.syns,
        isn: key.isn,
        drop_reason: reasons.recorded(conn.drop_reason),
        masqueraded: None,
    }
}

/// A reset that was seen to come in only, from its map entry.
pub(super) fn stranded(held: &HeldReset, clock: Clock) -> ResetSeen {
    let tuple = FlowTuple {
        src: ip(held.src),
        sport: held.sport,
        dst: ip(held.dst),
        dport: held.dport,
        backend: None,
    };
    let (vantage, by, phase) = (vantage(held.vantage), Side::Server, Phase::Orphan);
    ResetSeen { time: clock.wall(held.time_ns), tuple, vantage, by, phase }
}

/// The pair an orphan is counted under.
pub(super) fn pair_of_reset(reset: &ResetSeen) -> Pair {
    let FlowTuple { src, dst, dport, .. } = reset.tuple;
    Pair { src, dst, dport, vantage: reset.vantage }
}

/// The pair an attempt is counted under.
pub(super) fn pair_of(attempt: &AttemptSeen) -> Pair {
    Pair {
        src: attempt.tuple.src,
        dst: attempt.tuple.dst,
        dport: attempt.tuple.dport,
        vantage: attempt.vantage,
    }
}

/// One drained entry.
pub(super) fn pair_delta(key: &PairKey, counters: &Counters) -> PairDelta {
    let pair = Pair { src: ip(key.src), dst: ip(key.dst), dport: key.dport, vantage: vantage(key.vantage) };
    PairDelta { pair: Some(pair), counts: counts(counters) }
}

/// Kernel counters wrap, and a correction is an add of -1: as signed numbers they are what is meant.
pub(super) fn counts(c: &Counters) -> Counts {
    Counts {
        syn: c.syn.cast_signed(),
        syn_retransmits: c.syn_retransmits.cast_signed(),
        rst: c.rst.map(|phases| phases.map(u64::cast_signed)),
        outcomes: [
            c.outcomes[usize::from(outcome::ESTABLISHED)].cast_signed(),
            c.outcomes[usize::from(outcome::REFUSED)].cast_signed(),
            c.outcomes[usize::from(outcome::REJECTED)].cast_signed(),
            c.outcomes[usize::from(outcome::UNANSWERED)].cast_signed(),
        ],
    }
}

/// One drained drop count.
pub(super) fn drop_delta(key: &DropKey, count: u64, reasons: &Reasons) -> DropDelta {
    DropDelta { pair: Some((ip(key.src), ip(key.dst), key.dport)), reason: reasons.name(key.reason), count }
}

/// A count without a pair.
pub(super) fn remainder(counts: Counts) -> PairDelta {
    PairDelta { pair: None, counts }
}

/// Drops without a pair.
pub(super) fn drop_remainder(count: u64) -> DropDelta {
    DropDelta { pair: None, reason: ArcStr::from("_other"), count }
}
