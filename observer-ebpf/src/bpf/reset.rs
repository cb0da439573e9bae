//! RST segments: an answer to a SYN, the end of a connection, or an orphan.

use observer_abi::{
    ConnKey, ConnValue, FlowKey, FlowValue, PairKey, Tuple, hook, outcome, phase, side, vantage,
};

use super::packet::ACK;
use super::tables::{CLOSED, CONNS, FLOWS, add, counters};
use super::tc::{Seen, Sighting};
use super::{emit, tracker};

/// Counts a RST once per node, with the side that sent it and how far its connection was.
#[inline(never)]
pub(super) fn rst(seen: &Seen<'_>) {
    if seen.tcp.flags & ACK != 0 && refused(seen) {
        return;
    }
    if seen.sighting == Sighting::AfterPod {
        return;
    }
    if gave_up(seen) {
        return;
    }
    let forward = tracker::tuple(seen);
    if let Some(flow) = flow(&forward) {
        return known(seen, &forward, flow, side::CLIENT);
    }
    let reverse = tracker::reversed(seen);
    match flow(&reverse) {
        Some(flow) => known(seen, &reverse, flow, side::SERVER),
        None => orphan(seen),
    }
}

/// The server answers a pending SYN.
#[inline(always)]
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
#[inline(always)]
fn gave_up(seen: &Seen<'_>) -> bool {
    let key =
        ConnKey { src: seen.ip.src, isn: seen.tcp.seq.wrapping_sub(1), sport: seen.tcp.sport, _pad: [0; 2] };
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: see `refused`.
    let conn = unsafe { &*conn };
    if conn.outcome != outcome::PENDING {
        return false;
    }
    if seen.sighting == Sighting::First {
        count(&tracker::pair(&key, conn), side::CLIENT, phase::HANDSHAKE);
        emit::reset(&handshake_tuple(&key, conn), conn.vantage, side::CLIENT, phase::HANDSHAKE);
    }
    true
}

#[inline(always)]
fn flow(key: &FlowKey) -> Option<&'static FlowValue> {
    let found = FLOWS.get_ptr(key).or_else(|| CLOSED.get_ptr(key))?;
    // SAFETY: see `refused`.
    Some(unsafe { &*found })
}

#[inline(never)]
fn known(seen: &Seen<'_>, key: &FlowKey, flow: &FlowValue, by: u8) {
    let local = flow.flags & FlowValue::LOCAL != 0;
    // A pod's veth counts what is local; an uplink has counted what is not.
    if (local && seen.hook == hook::UPLINK_IN) || (!local && seen.sighting == Sighting::AfterUplink) {
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
    tracker::close(key, flow);
}

/// Nobody here saw the SYN. Who opened the connection is then a guess from the ports: servers listen on the lower.
#[inline(never)]
fn orphan(seen: &Seen<'_>) {
    if seen.sighting == Sighting::AfterUplink {
        return;
    }
    let by = if seen.tcp.sport < seen.tcp.dport { side::SERVER } else { side::CLIENT };
    let key = if by == side::CLIENT { tracker::tuple(seen) } else { tracker::reversed(seen) };
    let vantage = match (seen.hook, by) {
        (hook::POD_OUT, side::CLIENT) | (hook::POD_IN, side::SERVER) => vantage::SOURCE,
        (hook::POD_OUT | hook::POD_IN, _) => vantage::DESTINATION,
        _ => vantage::TRANSIT,
    };
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

#[inline(always)]
fn count(pair: &PairKey, by: u8, phase: u8) {
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value; side is 0 or 1 and phase 0 to 2, so the index is below 6.
        add(unsafe { (&raw mut (*c).rst).cast::<u64>().add(by as usize * 3 + phase as usize) }, 1);
    }
}
