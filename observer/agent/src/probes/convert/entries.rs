//! Converts entries of kernel maps to inputs of the engine.
//!
//! Map values hold raw bytes, so that an entry can hold one without a meaning. Callers count such an entry: see
//! [`crate::probes::faults`].

use arcstr::ArcStr;
use flow_model::flow::{self, Counts, FlowTuple, Outcome, Pair, Phase, RstOrigin};
use flow_model::input::{AnnouncementSeen, AttemptSeen, DropDelta, Input, PairDelta, ResetSeen};
use flow_model::mac::Mac;
use observer_abi::{
    self as abi, ConnKey, ConnValue, Counters, DecodeError, DropKey, Merged, MergedKey, PairKey,
    TransitReset, Vantage, VipValue,
};

use super::{announced, ip, side, tuple, vantage};
use crate::probes::clock::Clock;
use crate::probes::reasons::Reasons;

/// Returns the newest claim of a VIP, from its map entry.
pub(in crate::probes) fn newest_claim(
    key: [u8; 16],
    vip: &VipValue,
    clock: Clock,
) -> Result<AnnouncementSeen, DecodeError> {
    let (mac, how, outbound) = VipValue::parts(vip.newest);
    let how = announced(decoded("how", how, abi::Announced::from_byte)?);
    Ok(AnnouncementSeen { time: clock.wall(vip.newest_ns), ip: ip(key), mac: Mac(mac), how, outbound })
}

/// Returns an attempt that no packet ended and the pair that it is counted under, from its map entry.
pub(in crate::probes) fn ended(
    key: &ConnKey,
    conn: &ConnValue,
    outcome: Outcome,
    now_ns: u64,
    clock: Clock,
    reasons: &Reasons,
) -> Result<(Pair, Input), DecodeError> {
    let (time, vantage) = (clock.wall(now_ns), known_vantage(conn.vantage)?);
    let attempt = AttemptSeen {
        latency_ns: life_ns(conn, outcome, now_ns),
        syns: conn.syns,
        isn: key.isn,
        drop_reason: reasons.recorded(conn.drop_reason),
        by_socket: conn.flags & ConnValue::BY_SOCKET != 0,
        ..AttemptSeen::new(time, tuple(&conn.tuple(key)), vantage, outcome)
    };
    Ok((pair(&attempt.tuple, attempt.vantage), Input::Attempt(attempt)))
}

/// Returns the attempts of one pair that have no records of their own, from their map entry.
pub(in crate::probes) fn merged(
    key: &MergedKey,
    merged: &Merged,
    clock: Clock,
) -> Result<Input, DecodeError> {
    let tuple = FlowTuple {
        src: ip(key.src),
        sport: merged.sport,
        dst: ip(key.dst),
        dport: key.dport,
        backend: (key.backend_port != 0).then(|| (ip(key.backend), key.backend_port)),
    };
    let (time, vantage) = (clock.wall(merged.time_ns), known_vantage(key.vantage)?);
    let attempt = AttemptSeen::new(time, tuple, vantage, Outcome::Established);
    Ok(Input::Attempt(AttemptSeen { isn: merged.isn, count: merged.count, ..attempt }))
}

/// Returns for how long an attempt without an answer lasted. When an answer came that was not seen to leave is not known.
fn life_ns(conn: &ConnValue, outcome: Outcome, now_ns: u64) -> u64 {
    match outcome {
        Outcome::Unanswered => now_ns.saturating_sub(conn.first_ns),
        Outcome::Established | Outcome::Refused | Outcome::Rejected => 0,
    }
}

/// Returns a reset that came in and did not leave and the pair that it is counted under, from its map entry.
pub(in crate::probes) fn stranded(
    reset: &TransitReset,
    origin: RstOrigin,
    clock: Clock,
) -> Result<(Pair, Input), DecodeError> {
    let tuple = FlowTuple {
        src: ip(reset.src),
        sport: reset.sport,
        dst: ip(reset.dst),
        dport: reset.dport,
        backend: None,
    };
    let vantage = known_vantage(reset.vantage)?;
    let (by, phase) = (side(decoded("by", reset.by, abi::Side::from_byte)?), Phase::Orphan);
    let seen = ResetSeen { time: clock.wall(reset.time_ns), tuple, vantage, by, phase, origin, cause: None };
    Ok((pair(&tuple, vantage), Input::Reset(seen)))
}

fn pair(tuple: &FlowTuple, vantage: flow::Vantage) -> Pair {
    let FlowTuple { src, dst, dport, .. } = *tuple;
    Pair { src, dst, dport, vantage }
}

fn known_vantage(byte: u8) -> Result<flow::Vantage, DecodeError> {
    decoded("vantage", byte, Vantage::from_byte).map(vantage)
}

/// Decodes the byte of a field.
fn decoded<T>(field: &'static str, value: u8, from_byte: fn(u8) -> Option<T>) -> Result<T, DecodeError> {
    from_byte(value).ok_or(DecodeError::UnknownValue { field, value })
}

/// Returns the increments of one drained entry.
pub(in crate::probes) fn pair_delta(key: &PairKey, counters: &Counters) -> Result<PairDelta, DecodeError> {
    let vantage = known_vantage(key.vantage)?;
    let pair = Pair { src: ip(key.src), dst: ip(key.dst), dport: key.dport, vantage };
    Ok(PairDelta { pair: Some(pair), counts: counts(counters) })
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
