//! Converts ring records to inputs of the engine.
//!
//! The decoder has checked the records, so that nothing here can fail.

mod entries;
mod once;

use std::net::{IpAddr, Ipv6Addr};

use flow_model::flow::{FlowTuple, Outcome, Phase, ResetCause, RstOrigin, Side, Vantage};
use flow_model::input::{Announced, AnnouncementSeen, AttemptSeen, DropSeen, Input, ResetSeen};
use flow_model::mac::Mac;
use observer_abi::{self as abi, AnnouncementRecord, AttemptRecord, DropRecord, Record, ResetRecord, Tuple};

pub(super) use self::entries::{
    counts, drop_delta, drop_remainder, ended, merged, newest_claim, pair_delta, remainder, stranded,
};
pub(super) use self::once::once;
use crate::probes::clock::Clock;
use crate::probes::reasons::Reasons;

/// Returns the input that a record stands for.
pub(super) fn input(record: &Record, clock: Clock, reasons: &Reasons) -> Input {
    match record {
        Record::Attempt(a) => Input::Attempt(attempt(a, clock, reasons)),
        Record::Reset(r) => Input::Reset(reset(r, clock)),
        Record::Drop(d) => Input::Drop(drop(d, clock, reasons)),
        Record::Announcement(a) => Input::Announcement(announcement(a, clock)),
    }
}

/// Returns an address of the kernel maps; IPv4 is unmapped.
pub(super) fn ip(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

/// Returns an address in the form of the kernel maps.
pub(super) fn bytes(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn vantage(vantage: abi::Vantage) -> Vantage {
    match vantage {
        abi::Vantage::Source => Vantage::Source,
        abi::Vantage::Destination => Vantage::Destination,
        abi::Vantage::Transit => Vantage::Transit,
    }
}

fn outcome(outcome: abi::Outcome) -> Outcome {
    match outcome {
        abi::Outcome::Established => Outcome::Established,
        abi::Outcome::Refused => Outcome::Refused,
        abi::Outcome::Rejected => Outcome::Rejected,
        abi::Outcome::Unanswered => Outcome::Unanswered,
    }
}

fn side(side: abi::Side) -> Side {
    match side {
        abi::Side::Client => Side::Client,
        abi::Side::Server => Side::Server,
    }
}

fn phase(phase: abi::Phase) -> Phase {
    match phase {
        abi::Phase::Handshake => Phase::Handshake,
        abi::Phase::Established => Phase::Established,
        abi::Phase::Orphan => Phase::Orphan,
    }
}

fn announced(how: abi::Announced) -> Announced {
    match how {
        abi::Announced::GratuitousRequest => Announced::GratuitousRequest,
        abi::Announced::GratuitousReply => Announced::GratuitousReply,
        abi::Announced::Arp => Announced::Arp,
        abi::Announced::Advertisement => Announced::Advertisement,
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

fn attempt(a: &AttemptRecord, clock: Clock, reasons: &Reasons) -> AttemptSeen {
    AttemptSeen {
        icmp: (a.outcome == abi::Outcome::Rejected).then_some((a.icmp_type, a.icmp_code)),
        latency_ns: a.time_ns.saturating_sub(a.first_ns),
        syns: a.syns,
        isn: a.isn,
        drop_reason: reasons.recorded(a.drop_reason),
        by_socket: a.flags & abi::ConnValue::BY_SOCKET != 0,
        ..AttemptSeen::new(clock.wall(a.time_ns), tuple(&a.tuple), vantage(a.vantage), outcome(a.outcome))
    }
}

fn reset(r: &ResetRecord, clock: Clock) -> ResetSeen {
    ResetSeen {
        time: clock.wall(r.time_ns),
        tuple: tuple(&r.tuple),
        vantage: vantage(r.vantage),
        by: side(r.side),
        phase: phase(r.phase),
        origin: RstOrigin::default(),
        // Connection tracking knows more.
        cause: (r.flags & ResetRecord::TO_BACKEND != 0).then_some(ResetCause::NotTranslated),
    }
}

fn drop(d: &DropRecord, clock: Clock, reasons: &Reasons) -> DropSeen {
    DropSeen {
        time: clock.wall(d.time_ns),
        tuple: tuple(&d.tuple),
        reason: reasons.name(d.reason),
        protocol: d.protocol,
        tcp_flags: d.tcp_flags,
        seq: d.seq,
        oriented: d.oriented,
    }
}

fn announcement(a: &AnnouncementRecord, clock: Clock) -> AnnouncementSeen {
    AnnouncementSeen {
        time: clock.wall(a.time_ns),
        ip: ip(a.ip),
        mac: Mac(a.mac),
        how: announced(a.how),
        outbound: a.outbound,
    }
}
