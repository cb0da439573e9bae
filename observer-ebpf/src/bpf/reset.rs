//! RST segments: an answer to a SYN, the end of a connection, or an orphan.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use observer_abi::{
    ConnKey, ConnValue, FlowKey, FlowValue, HeldReset, PairKey, Tuple, hook, outcome, phase, side, vantage,
};

use super::packet::ACK;
use super::tables::{CLOSED, CONNS, FLOWS, HELD, add, counters};
use super::tc::{Seen, Sighting};
use super::{emit, tracker};

const NOEXIST: u64 = 1;

/// Counts a RST once per node, with the side that sent it and how far its connection was.
#[inline(never)]
pub(super) fn rst(seen: &Seen<'_>) {
    if seen.tcp.flags & ACK != 0 && refused(seen) {
        return;
    }
    match seen.sighting {
        Sighting::First => first(seen),
        _ => again(seen),
    }
}

#[inline(always)]
fn first(seen: &Seen<'_>) {
    if !gave_up(seen) && !of_flow(seen, false) {
        orphan(seen);
    }
}

/// Another hook saw it before, and counted it or left it to this one: NAT may have given it the addresses that the client
/// knows.
#[inline(always)]
fn again(seen: &Seen<'_>) {
    let was_held = is_held(seen);
    if !was_held && seen.sighting == Sighting::AfterPod {
        return;
    }
    if !of_flow(seen, was_held) && was_held {
        released(seen);
    }
}

#[inline(never)]
fn is_held(seen: &Seen<'_>) -> bool {
    HELD.get_ptr(&mark(seen)).is_some()
}

#[inline(never)]
fn unhold(seen: &Seen<'_>) -> bool {
    HELD.remove(&mark(seen)).is_ok()
}

/// False if there is no such flow. The stack is small, so that no frame of this chain holds what the next one builds.
#[inline(always)]
fn of_flow(seen: &Seen<'_>, was_held: bool) -> bool {
    let mut by = side::CLIENT;
    let mut found = flow(seen, by);
    if found.is_null() {
        by = side::SERVER;
        found = flow(seen, by);
    }
    if found.is_null() {
        return false;
    }
    // If it was held and is gone, userspace has told it meanwhile.
    if !was_held || unhold(seen) {
        // SAFETY: it is not null, and map values stay valid while the program runs.
        known(seen, unsafe { &*found }, by, was_held);
    }
    true
}

/// What NAT leaves as it is.
#[inline(always)]
fn mark(seen: &Seen<'_>) -> u64 {
    (u64::from(seen.tcp.seq) << 32) | u64::from(seen.tcp.ack)
}

/// A held orphan of a server, under the addresses that its client knows.
#[inline(never)]
fn released(seen: &Seen<'_>) {
    let key = tracker::reversed(seen);
    let Some(held) = HELD.get_ptr(&mark(seen)) else { return };
    // SAFETY: see `refused`. It is read before it is removed.
    let held = unsafe { &*held };
    let vantage = match (held.vantage, seen.hook) {
        (vantage::TRANSIT, hook::POD_IN) => vantage::SOURCE,
        (vantage, _) => vantage,
    };
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
        side::SERVER,
        phase::ORPHAN,
    );
    emit::reset(&tuple, vantage, side::SERVER, phase::ORPHAN);
}

/// The server answers a pending SYN.
#[inline(never)]
fn refused(seen: &Seen<'_>) -> bool {
    let key = tracker::answered(seen);
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    if conn.outcome != outcome::PENDING {
        late(seen, &key, conn);
        return true;
    }
    conn.outcome = outcome::REFUSED;
    if seen.hook == hook::POD_OUT && conn.dst != seen.ip.src {
        conn.backend = seen.ip.src;
        conn.backend_port = seen.tcp.sport;
    }
    let pair = tracker::pair(&key, conn);
    tracker::count_outcome(&pair, outcome::REFUSED);
    count(&pair, side::SERVER, phase::HANDSHAKE);
    emit::attempt(&key, conn, outcome::REFUSED, 0);
    let _ = CONNS.remove(&key);
    true
}

/// An answer to an attempt whose outcome was told: a RST of the handshake, and no second outcome.
#[inline(always)]
fn late(seen: &Seen<'_>, key: &ConnKey, conn: &ConnValue) {
    if seen.sighting == Sighting::First {
        count(&tracker::pair(key, conn), side::SERVER, phase::HANDSHAKE);
        emit::reset(&handshake_tuple(key, conn), conn.vantage, side::SERVER, phase::HANDSHAKE);
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

/// The client takes back a SYN that has no answer yet.
#[inline(never)]
fn gave_up(seen: &Seen<'_>) -> bool {
    let key =
        ConnKey { src: seen.ip.src, isn: seen.tcp.seq.wrapping_sub(1), sport: seen.tcp.sport, _pad: [0; 2] };
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: see `refused`.
    let conn = unsafe { &*conn };
    if conn.outcome != outcome::PENDING {
        return false;
    }
    count(&tracker::pair(&key, conn), side::CLIENT, phase::HANDSHAKE);
    emit::reset(&handshake_tuple(&key, conn), conn.vantage, side::CLIENT, phase::HANDSHAKE);
    true
}

/// The flow that the sender of this RST opened, or its receiver. Null if there is none.
#[inline(never)]
fn flow(seen: &Seen<'_>, by: u8) -> *const FlowValue {
    let key = key(seen, by);
    FLOWS.get_ptr(&key).or_else(|| CLOSED.get_ptr(&key)).unwrap_or(core::ptr::null())
}

#[inline(always)]
fn key(seen: &Seen<'_>, by: u8) -> FlowKey {
    if by == side::CLIENT { tracker::tuple(seen) } else { tracker::reversed(seen) }
}

#[inline(never)]
fn known(seen: &Seen<'_>, flow: &FlowValue, by: u8, was_held: bool) {
    let key = key(seen, by);
    let local = flow.flags & FlowValue::LOCAL != 0;
    // A pod's veth counts what is local; an uplink has counted what is not.
    let counted = seen.sighting == Sighting::AfterUplink && !was_held;
    if (local && seen.hook == hook::UPLINK_IN) || (!local && counted) {
        return;
    }
    // A client that sent nothing after its SYN, and whose RST acknowledges nothing, never completed the handshake.
    let bare = by == side::CLIENT && seen.tcp.flags & ACK == 0 && seen.tcp.seq == flow.isn.wrapping_add(1);
    let phase =
        if bare && flow.flags & FlowValue::SEEDED == 0 { phase::HANDSHAKE } else { phase::ESTABLISHED };
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

/// Nobody here saw the SYN. Who opened the connection is then a guess from the ports: servers listen on the lower.
#[inline(never)]
fn orphan(seen: &Seen<'_>) {
    let by = if seen.tcp.sport < seen.tcp.dport { side::SERVER } else { side::CLIENT };
    let key = key(seen, by);
    let vantage = match (seen.hook, by) {
        (hook::POD_OUT, side::CLIENT) | (hook::POD_IN, side::SERVER) => vantage::SOURCE,
        (hook::POD_OUT | hook::POD_IN, _) => vantage::DESTINATION,
        _ => vantage::TRANSIT,
    };
    let entering = seen.hook == hook::POD_OUT || seen.hook == hook::UPLINK_IN;
    if entering && by == side::SERVER && hold(seen, &key, vantage) {
        return;
    }
    count(&PairKey { src: key.src, dst: key.dst, dport: key.dport, vantage, _pad: 0 }, by, phase::ORPHAN);
    let tuple = Tuple {
        src: key.src,
        dst: key.dst,
        backend: [0; 16],
        sport: key.sport,
        dport: key.dport,
        backend_port: 0,
        _pad: [0; 2],
    };
    emit::reset(&tuple, vantage, by, phase::ORPHAN);
}

/// Leaves the RST to the hook through which it leaves the node. What finds none is told by userspace. False if there is no
/// room, or one like it waits already.
#[inline(never)]
fn hold(seen: &Seen<'_>, key: &FlowKey, vantage: u8) -> bool {
    let held = HeldReset {
        // SAFETY: the helper only reads the clock.
        time_ns: unsafe { bpf_ktime_get_ns() },
        src: key.src,
        dst: key.dst,
        sport: key.sport,
        dport: key.dport,
        vantage,
        _pad: [0; 3],
    };
    HELD.insert(&mark(seen), &held, NOEXIST).is_ok()
}

#[inline(always)]
fn count(pair: &PairKey, by: u8, phase: u8) {
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value; side is 0 or 1 and phase 0 to 2, so the index is below 6.
        add(unsafe { (&raw mut (*c).rst).cast::<u64>().add(by as usize * 3 + phase as usize) }, 1);
    }
}
