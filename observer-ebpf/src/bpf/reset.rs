//! RST segments: an answer to a SYN, the end of a connection, or an orphan.

use observer_abi::{
    ConnKey, ConnValue, FlowKey, FlowValue, Outcome, PairKey, Phase, Side, TransitReset, Tuple, Vantage, hook,
};

use super::packet::ACK;
use super::segment::{Segment, Sighting};
use super::tables::{CLOSED, CONNS, FLOWS, RESETS, add, counters};
use super::{emit, tracker};

const NOEXIST: u64 = 1;

/// Counts a RST once per node, with the side that sent it and how far its connection was.
#[inline(never)]
pub(super) fn rst(seen: &Segment<'_>) {
    if seen.tcp.flags & ACK != 0 && refused(seen) {
        return;
    }
    match seen.sighting {
        Sighting::First => first(seen),
        _ => again(seen),
    }
}

#[inline(always)]
fn first(seen: &Segment<'_>) {
    if !gave_up(seen) && !of_flow(seen, false) {
        orphan(seen);
    }
}

/// Handles a RST that another hook saw before. That hook counted it, held it for this one, or is an uplink, which leaves
/// the RST of a connection of a local pod to the pod's veth.
#[inline(always)]
fn again(seen: &Segment<'_>) {
    let was_held = is_held(seen);
    if !was_held && seen.sighting == Sighting::AfterPod {
        return;
    }
    if !of_flow(seen, was_held) && was_held {
        released(seen);
    }
}

#[inline(never)]
fn is_held(seen: &Segment<'_>) -> bool {
    RESETS.get_ptr(&mark(seen)).is_some()
}

#[inline(never)]
fn unhold(seen: &Segment<'_>) -> bool {
    RESETS.remove(&mark(seen)).is_ok()
}

/// Counts the RST of a known flow. False if there is none. The stack is small: no frame of this chain may hold what the
/// next one builds.
#[inline(always)]
fn of_flow(seen: &Segment<'_>, was_held: bool) -> bool {
    let mut by = Side::Client;
    let mut found = flow(seen, by);
    if found.is_null() {
        by = Side::Server;
        found = flow(seen, by);
    }
    if found.is_null() {
        return false;
    }
    // If it was held and is gone, userspace or another hook has reported it meanwhile.
    if !was_held || unhold(seen) {
        // SAFETY: it is not null, and map values stay valid while the program runs.
        known(seen, unsafe { &*found }, by, was_held);
    }
    true
}

/// Identifies a RST by what NAT does not change.
#[inline(always)]
fn mark(seen: &Segment<'_>) -> u64 {
    (u64::from(seen.tcp.seq) << 32) | u64::from(seen.tcp.ack)
}

/// Reports a held orphan of a server, under the addresses that its client knows.
#[inline(never)]
fn released(seen: &Segment<'_>) {
    let key = tracker::reversed(seen);
    let Some(held) = RESETS.get_ptr(&mark(seen)) else { return };
    // SAFETY: see `refused`. If another removes it meanwhile, `unhold` fails and what was read here is not used.
    let held = unsafe { &*held };
    let of_pod = held.vantage == Vantage::Transit.byte() && seen.hook == hook::POD_IN;
    let vantage = if of_pod { Vantage::Source.byte() } else { held.vantage };
    let mut tuple = Tuple {
        src: key.src,
        dst: key.dst,
        backend: [0; 16],
        sport: key.sport,
        dport: key.dport,
        backend_port: 0,
        _pad: [0; 2],
    };
    if held.dst != key.dst || held.dport != key.dport {
        tuple.backend = held.dst;
        tuple.backend_port = held.dport;
    }
    if !unhold(seen) {
        return;
    }
    count(
        &PairKey { src: key.src, dst: key.dst, dport: key.dport, vantage, _pad: 0 },
        Side::Server,
        Phase::Orphan,
    );
    emit::reset(&tuple, vantage, Side::Server, Phase::Orphan);
}

/// Handles a server's answer to a SYN. False if no such SYN is known.
#[inline(never)]
fn refused(seen: &Segment<'_>) -> bool {
    let key = tracker::answered(seen);
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    if conn.outcome != ConnValue::PENDING {
        late(seen, &key, conn);
        return true;
    }
    conn.outcome = Outcome::Refused.byte();
    if seen.hook == hook::POD_OUT && conn.dst != seen.ip.src {
        conn.backend = seen.ip.src;
        conn.backend_port = seen.tcp.sport;
    }
    let pair = tracker::pair(&key, conn);
    tracker::count_outcome(&pair, Outcome::Refused);
    count(&pair, Side::Server, Phase::Handshake);
    emit::attempt(&key, conn, Outcome::Refused, 0);
    let _ = CONNS.remove(&key);
    true
}

/// Handles an answer to an attempt whose outcome was reported: it is a RST of the handshake, and no second outcome.
#[inline(always)]
fn late(seen: &Segment<'_>, key: &ConnKey, conn: &ConnValue) {
    if seen.sighting == Sighting::First {
        count(&tracker::pair(key, conn), Side::Server, Phase::Handshake);
        emit::reset(&handshake_tuple(key, conn), conn.vantage, Side::Server, Phase::Handshake);
    }
}

#[inline(always)]
fn handshake_tuple(key: &ConnKey, conn: &ConnValue) -> Tuple {
    Tuple {
        src: key.src,
        dst: conn.dst,
        backend: conn.backend,
        sport: key.sport,
        dport: conn.dport,
        backend_port: conn.backend_port,
        _pad: [0; 2],
    }
}

/// Handles a client's RST for its own SYN that has no answer yet. False if it is no such RST.
#[inline(never)]
fn gave_up(seen: &Segment<'_>) -> bool {
    let key =
        ConnKey { src: seen.ip.src, isn: seen.tcp.seq.wrapping_sub(1), sport: seen.tcp.sport, _pad: [0; 2] };
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: see `refused`.
    let conn = unsafe { &*conn };
    if conn.outcome != ConnValue::PENDING {
        return false;
    }
    count(&tracker::pair(&key, conn), Side::Client, Phase::Handshake);
    emit::reset(&handshake_tuple(&key, conn), conn.vantage, Side::Client, Phase::Handshake);
    true
}

/// Returns the flow, open or ended recently, if the client or the server of it sent this RST. Null if there is none.
#[inline(never)]
fn flow(seen: &Segment<'_>, by: Side) -> *const FlowValue {
    let key = key(seen, by);
    FLOWS.get_ptr(&key).or_else(|| CLOSED.get_ptr(&key)).unwrap_or(core::ptr::null())
}

#[inline(always)]
fn key(seen: &Segment<'_>, by: Side) -> FlowKey {
    if by == Side::Client { tracker::tuple(seen) } else { tracker::reversed(seen) }
}

/// Counts the RST of a flow, unless another hook does.
#[inline(never)]
fn known(seen: &Segment<'_>, flow: &FlowValue, by: Side, was_held: bool) {
    let key = key(seen, by);
    let local = flow.flags & FlowValue::LOCAL != 0;
    // A pod's veth counts what is local; an uplink has counted what is not.
    let counted = seen.sighting == Sighting::AfterUplink && !was_held;
    if (local && seen.hook == hook::UPLINK_IN) || (!local && counted) {
        return;
    }
    // A client that sent nothing after its SYN, and whose RST acknowledges nothing, never completed the handshake.
    let bare = by == Side::Client && seen.tcp.flags & ACK == 0 && seen.tcp.seq == flow.isn.wrapping_add(1);
    let phase =
        if bare && flow.flags & FlowValue::SEEDED == 0 { Phase::Handshake } else { Phase::Established };
    let pair = PairKey { src: key.src, dst: flow.dst, dport: flow.dport, vantage: flow.vantage, _pad: 0 };
    count(&pair, by, phase);
    let tuple = Tuple {
        src: key.src,
        dst: flow.dst,
        backend: flow.backend,
        sport: key.sport,
        dport: flow.dport,
        backend_port: flow.backend_port,
        _pad: [0; 2],
    };
    emit::reset(&tuple, flow.vantage, by, phase);
    tracker::close(&key, flow);
}

/// Handles a RST whose SYN was not seen here. The client is then a guess from the ports: servers listen on the lower
/// one.
#[inline(never)]
fn orphan(seen: &Segment<'_>) {
    let by = if seen.tcp.sport < seen.tcp.dport { Side::Server } else { Side::Client };
    let key = key(seen, by);
    let vantage = match (seen.hook, by) {
        (hook::POD_OUT, Side::Client) | (hook::POD_IN, Side::Server) => Vantage::Source,
        (hook::POD_OUT | hook::POD_IN, _) => Vantage::Destination,
        _ => Vantage::Transit,
    }
    .byte();
    let entering = seen.hook == hook::POD_OUT || seen.hook == hook::UPLINK_IN;
    if entering && by == Side::Server && hold(seen, &key, vantage) {
        return;
    }
    count(&PairKey { src: key.src, dst: key.dst, dport: key.dport, vantage, _pad: 0 }, by, Phase::Orphan);
    let tuple = Tuple {
        src: key.src,
        dst: key.dst,
        backend: [0; 16],
        sport: key.sport,
        dport: key.dport,
        backend_port: 0,
        _pad: [0; 2],
    };
    emit::reset(&tuple, vantage, by, Phase::Orphan);
}

/// Leaves the RST to the hook through which it leaves the node. Userspace reports those that reach none. False if there
/// is no room, or one like it waits already.
#[inline(never)]
fn hold(seen: &Segment<'_>, key: &FlowKey, vantage: u8) -> bool {
    let held = TransitReset {
        time_ns: emit::now(),
        src: key.src,
        dst: key.dst,
        sport: key.sport,
        dport: key.dport,
        vantage,
        _pad: [0; 3],
    };
    RESETS.insert(&mark(seen), &held, NOEXIST).is_ok()
}

#[inline(always)]
fn count(pair: &PairKey, by: Side, phase: Phase) {
    let c = counters(pair);
    if !c.is_null() {
        let index = by as usize * Phase::ALL.len() + phase as usize;
        // SAFETY: `c` is not null and points into a map value, which has a place for each side and phase.
        add(unsafe { (&raw mut (*c).rst).cast::<u64>().add(index) }, 1);
    }
}
