//! Converts entries of kernel maps to inputs of the engine.
//!
//! Map values hold raw bytes, so that an entry can hold one without a meaning. `None` stands for such an entry, and
//! callers count it: see [`super::undecodable`].

use arcstr::ArcStr;
use flow_model::flow::{Counts, FlowTuple, Outcome, Pair, Phase, Side};
use flow_model::input::{AnnouncementSeen, AttemptSeen, DropDelta, PairDelta, ResetSeen};
use flow_model::mac::Mac;
use observer_abi::{
    self as abi, ConnKey, ConnValue, Counters, DropKey, PairKey, TransitReset, Vantage, VipValue,
};

use super::{announced, ip, vantage};
use crate::probes::clock::Clock;
use crate::probes::reasons::Reasons;

/// Returns the newest claim of a VIP, from its map entry.
pub(in crate::probes) fn newest_claim(
    key: [u8; 16],
    vip: &VipValue,
    clock: Clock,
) -> Option<AnnouncementSeen> {
    let (mac, how, outbound) = VipValue::parts(vip.newest);
    let how = announced(abi::Announced::from_byte(how)?);
    Some(AnnouncementSeen { time: clock.wall(vip.newest_ns), ip: ip(key), mac: Mac(mac), how, outbound })
}

/// Returns an attempt that nobody answered, from its map entry.
pub(in crate::probes) fn unanswered(
    key: &ConnKey,
    conn: &ConnValue,
    now_ns: u64,
    clock: Clock,
    reasons: &Reasons,
) -> Option<AttemptSeen> {
    Some(AttemptSeen {
        time: clock.wall(now_ns),
        tuple: FlowTuple {
            src: ip(key.src),
            sport: key.sport,
            dst: ip(conn.dst),
            dport: conn.dport,
            backend: (conn.backend_port != 0).then(|| (ip(conn.backend), conn.backend_port)),
        },
        vantage: vantage(Vantage::from_byte(conn.vantage)?),
        outcome: Outcome::Unanswered,
        icmp: None,
        latency_ns: 0,
        syns: conn.syns,
        isn: key.isn,
        drop_reason: reasons.recorded(conn.drop_reason),
        masqueraded: None,
    })
}

/// Returns a reset that came in and did not leave, from its map entry.
pub(in crate::probes) fn stranded(reset: &TransitReset, clock: Clock) -> Option<ResetSeen> {
    let tuple = FlowTuple {
        src: ip(reset.src),
        sport: reset.sport,
        dst: ip(reset.dst),
        dport: reset.dport,
        backend: None,
    };
    let vantage = vantage(Vantage::from_byte(reset.vantage)?);
    let (by, phase) = (Side::Server, Phase::Orphan);
    Some(ResetSeen { time: clock.wall(reset.time_ns), tuple, vantage, by, phase })
}

/// Returns the pair that an orphan is counted under.
pub(in crate::probes) fn pair_of_reset(reset: &ResetSeen) -> Pair {
    let FlowTuple { src, dst, dport, .. } = reset.tuple;
    Pair { src, dst, dport, vantage: reset.vantage }
}

/// Returns the pair that an attempt is counted under.
pub(in crate::probes) fn pair_of(attempt: &AttemptSeen) -> Pair {
    let FlowTuple { src, dst, dport, .. } = attempt.tuple;
    Pair { src, dst, dport, vantage: attempt.vantage }
}

/// Returns the increments of one drained entry.
pub(in crate::probes) fn pair_delta(key: &PairKey, counters: &Counters) -> Option<PairDelta> {
    let vantage = vantage(Vantage::from_byte(key.vantage)?);
    let pair = Pair { src: ip(key.src), dst: ip(key.dst), dport: key.dport, vantage };
    Some(PairDelta { pair: Some(pair), counts: counts(counters) })
}

/// Returns kernel counters as signed numbers. They wrap, because a correction is an add of -1.
pub(in crate::probes) fn counts(c: &Counters) -> Counts {
    let of = |outcome: abi::Outcome| c.outcomes[usize::from(outcome.byte())].cast_signed();
    Counts {
        syn: c.syn.cast_signed(),
        syn_retransmits: c.syn_retransmits.cast_signed(),
        rst: c.rst.map(|phases| phases.map(u64::cast_signed)),
        outcomes: [
            of(abi::Outcome::Established),
            of(abi::Outcome::Refused),
            of(abi::Outcome::Rejected),
            of(abi::Outcome::Unanswered),
        ],
    }
}

/// Returns one drained drop count.
pub(in crate::probes) fn drop_delta(key: &DropKey, count: u64, reasons: &Reasons) -> DropDelta {
    DropDelta { pair: Some((ip(key.src), ip(key.dst), key.dport)), reason: reasons.name(key.reason), count }
}

/// Returns increments without a pair.
pub(in crate::probes) fn remainder(counts: Counts) -> PairDelta {
    PairDelta { pair: None, counts }
}

/// Returns drops without a pair.
pub(in crate::probes) fn drop_remainder(count: u64) -> DropDelta {
    DropDelta { pair: None, reason: ArcStr::from("_other"), count }
}

#[cfg(test)]
mod tests;
