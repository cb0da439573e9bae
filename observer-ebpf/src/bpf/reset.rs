//! RST segments: an answer to a SYN, the end of a connection, or an orphan.

use observer_abi::{
    ConnKey, ConnValue, FlowKey, FlowValue, Outcome, PairKey, Phase, ResetRecord, Side, TransitReset, Tuple,
    Vantage, hook,
};

use super::emit::Origin;
use super::packet::ACK;
use super::segment::{Segment, Sighting};
use super::tables::{self, CLOSED, CONNS, ENDED, RESETS, add, counters};
use super::{emit, tracker};

/// Counts a RST once per node, with the side that sent it and how far its connection was.
#[inline(never)]
pub(super) fn rst(seen: &Segment<'_>) {
    if seen.tcp.flags & ACK != 0 && refused(seen) {
        // A hook before NAT could not know the attempt, and holds the RST as an orphan.
        let _ = RESETS.remove(&mark(seen));
        return;
    }
    // What passes between other hosts is no orphan of this node.
    if gave_up(seen) || of_flow(seen) || seen.foreign {
        return;
    }
    match passage(seen) {
        Passage::Held if seen.hook & 1 != 0 => released(seen),
        Passage::None if seen.sighting == Sighting::First => orphan(seen),
        // The same hook saw one like it before: that one was another packet.
        Passage::Repeated if !held_again(seen) => orphan(seen),
        _ => {}
    }
}

/// What is known of this RST from hooks that it has passed.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Passage {
    /// No hook has seen it, or the one that did counted it for its connection.
    None,
    /// Another hook holds it for the one through which it leaves.
    Held,
    /// Another hook has reported it.
    Reported,
    /// This hook saw it: this is another packet.
    Repeated,
}

#[inline(never)]
fn passage(seen: &Segment<'_>) -> Passage {
    let Some(held) = RESETS.get_ptr(&mark(seen)) else { return Passage::None };
    // SAFETY: map values stay valid while the program runs; each field is a single word.
    let (place, reported) = unsafe { ((*held).place, (*held).reported) };
    match reported {
        _ if place == seen.place => Passage::Repeated,
        0 => Passage::Held,
        _ => Passage::Reported,
    }
}

/// Holds a RST that enters like one before, which has left meanwhile. False if that one is still on its way, or if this one
/// leaves.
#[inline(always)]
fn held_again(seen: &Segment<'_>) -> bool {
    let Some(held) = RESETS.get_ptr_mut(&mark(seen)) else { return false };
    // SAFETY: see `passage`.
    let held = unsafe { &mut *held };
    let again = seen.hook & 1 == 0 && held.reported != 0;
    if again {
        held.time_ns = emit::now();
        held.reported = 0;
    }
    again
}

/// Identifies a RST by what NAT does not change.
#[inline(always)]
fn mark(seen: &Segment<'_>) -> u64 {
    observer_abi::mark(seen.tcp.seq, seen.tcp.ack)
}

#[inline(always)]
fn origin(seen: &Segment<'_>) -> Origin {
    Origin { mark: mark(seen), entered: seen.entered(), flags: 0 }
}

/// Handles a server's answer to a SYN. False if no such SYN is known.
#[inline(never)]
fn refused(seen: &Segment<'_>) -> bool {
    let mut key = tracker::answered(seen);
    let conn = tracker::pending(&mut key);
    if conn.is_null() {
        return late(seen, &key);
    }
    // SAFETY: it is not null; see `passage`.
    let conn = unsafe { &mut *conn };
    if tracker::is_others(seen, conn) {
        return true;
    }
    if tracker::note_answer(seen, &key, conn) {
        count(&tracker::pair(&key, conn), Side::Server, Phase::Handshake);
    }
    conn.flags |= ConnValue::REFUSED;
    if seen.entered() == 0 {
        conn.flags |= ConnValue::REFUSED_HERE;
    } else if seen.hook == hook::UPLINK_IN {
        conn.flags &= !ConnValue::REFUSED_HERE;
    }
    if tracker::is_delivered(seen, conn) {
        tracker::finish(&key, conn, Outcome::Refused, 0, mark(seen));
    }
    true
}

/// Handles an answer to an attempt whose outcome was reported: it is a RST of the handshake, and no second outcome.
#[inline(never)]
fn late(seen: &Segment<'_>, key: &ConnKey) -> bool {
    let Some(conn) = ENDED.get_ptr_mut(key) else { return false };
    // SAFETY: see `passage`.
    let conn = unsafe { &mut *conn };
    if conn.answer_place == 0 {
        conn.answer_place = seen.place;
    }
    if conn.answer_place == seen.place {
        count(&tracker::pair(key, conn), Side::Server, Phase::Handshake);
        emit::reset(&conn.tuple(key), conn.vantage, Side::Server, Phase::Handshake, &origin(seen));
    }
    true
}

/// Handles a client's RST for its own SYN that has no answer yet. False if it is no such RST.
#[inline(never)]
fn gave_up(seen: &Segment<'_>) -> bool {
    let key = tracker::given_up(seen);
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return false };
    // SAFETY: see `passage`.
    let conn = unsafe { &mut *conn };
    if conn.flags & (ConnValue::GAVE_UP | ConnValue::FOREIGN) == 0 {
        conn.flags |= ConnValue::GAVE_UP;
        count(&tracker::pair(&key, conn), Side::Client, Phase::Handshake);
        emit::reset(&conn.tuple(&key), conn.vantage, Side::Client, Phase::Handshake, &origin(seen));
    }
    true
}

/// Counts the RST of a known flow. False if there is none. The stack is small: no frame of this chain may hold what the
/// next one builds.
#[inline(always)]
fn of_flow(seen: &Segment<'_>) -> bool {
    let mut by = Side::Client;
    let mut found = flow(seen, by);
    if found.is_null() {
        by = Side::Server;
        found = flow(seen, by);
    }
    if found.is_null() {
        return false;
    }
    if is_new(seen, found) {
        known(seen, found, by);
    }
    true
}

/// Returns the flow, open or ended recently, if the client or the server of it sent this RST. Null if there is none.
#[inline(never)]
fn flow(seen: &Segment<'_>, by: Side) -> *mut FlowValue {
    let key = key(seen, by);
    tables::opened(&key).or_else(|| CLOSED.get_ptr_mut(&key)).unwrap_or(core::ptr::null_mut())
}

#[inline(always)]
fn key(seen: &Segment<'_>, by: Side) -> FlowKey {
    if by == Side::Client { tracker::tuple(seen) } else { tracker::reversed(seen) }
}

/// Is true when no other hook has counted this RST. One that a hook held as an orphan, because it could not know the
/// connection by the addresses there, is new.
#[inline(never)]
fn is_new(seen: &Segment<'_>, flow: *const FlowValue) -> bool {
    // SAFETY: `of_flow` has checked that it is not null; see `passage`.
    let flow = unsafe { &*flow };
    if flow.rst_place != 0 && flow.rst_seq == seen.tcp.seq {
        return flow.rst_place == seen.place;
    }
    match passage(seen) {
        Passage::Held => RESETS.remove(&mark(seen)).is_ok(),
        Passage::Reported => false,
        // The hook through which it entered has counted it.
        Passage::None | Passage::Repeated => seen.sighting == Sighting::First,
    }
}

/// Counts the RST of a flow, and closes the flow.
#[inline(never)]
fn known(seen: &Segment<'_>, flow: *mut FlowValue, by: Side) {
    // SAFETY: see `is_new`.
    let flow = unsafe { &mut *flow };
    let key = key(seen, by);
    let to_backend = by == Side::Client && seen.hook == hook::POD_OUT && is_of_nat(&key, flow);
    // A client that sent nothing after its SYN, and whose RST acknowledges nothing, never completed the handshake.
    let bare = by == Side::Client && seen.tcp.flags & ACK == 0 && seen.tcp.seq == flow.isn.wrapping_add(1);
    let open = to_backend || !bare || flow.flags & FlowValue::SEEDED != 0;
    let phase = if open { Phase::Established } else { Phase::Handshake };
    flow.rst_place = seen.place;
    flow.rst_seq = seen.tcp.seq;
    let pair = PairKey { src: key.src, dst: flow.dst, dport: flow.dport, vantage: flow.vantage, _pad: 0 };
    count(&pair, by, phase);
    let flags = if to_backend { ResetRecord::TO_BACKEND as u32 } else { 0 };
    let origin = Origin { mark: mark(seen), entered: seen.entered(), flags };
    emit::reset(&flow.tuple(&key), flow.vantage, by, phase, &origin);
    tracker::end_both(&key, flow);
}

/// Is true if the key has the address of the backend, where the client addressed another.
#[inline(always)]
fn is_of_nat(key: &FlowKey, flow: &FlowValue) -> bool {
    key.dst != flow.dst || key.dport != flow.dport
}

/// Handles a RST whose SYN was not seen here. Which side sent it follows from the ports.
#[inline(never)]
fn orphan(seen: &Segment<'_>) {
    let by = if tables::from_server(seen.tcp.sport, seen.tcp.dport) { Side::Server } else { Side::Client };
    let key = key(seen, by);
    let vantage = match (seen.hook, by) {
        (hook::POD_OUT, Side::Client) | (hook::POD_IN, Side::Server) => Vantage::Source,
        (hook::POD_OUT | hook::POD_IN, _) => Vantage::Destination,
        _ => Vantage::Transit,
    }
    .byte();
    // One that enters waits for the hook through which it leaves, which knows the other side of NAT.
    let held = hold(seen, &key, vantage, by);
    if held && seen.hook & 1 == 0 {
        return;
    }
    passed(&key, &Server { ip: key.dst, port: key.dport }, vantage, by, &origin(seen));
}

/// Leaves a RST that enters to the hook through which it leaves the node; userspace reports those that reach none. Of one
/// that leaves it is only noted that it was reported. False if there is no room, or one like it is there already.
#[inline(never)]
fn hold(seen: &Segment<'_>, key: &FlowKey, vantage: u8, by: Side) -> bool {
    const NOEXIST: u64 = 1;
    let held = TransitReset {
        time_ns: emit::now(),
        src: key.src,
        dst: key.dst,
        sport: key.sport,
        dport: key.dport,
        place: seen.place,
        vantage,
        by: by.byte(),
        reported: seen.hook & 1,
        _pad: [0; 5],
    };
    RESETS.insert(&mark(seen), &held, NOEXIST).is_ok()
}

/// Reports a held orphan under the addresses that its client knows: those of the hook where a server's leaves, or where a
/// client's entered.
#[inline(never)]
fn released(seen: &Segment<'_>) {
    let Some(held) = RESETS.get_ptr_mut(&mark(seen)) else { return };
    // SAFETY: see `passage`.
    let held = unsafe { &mut *held };
    held.reported = 1;
    let to_pod = seen.hook == hook::POD_IN;
    // Only an uplink makes it transit; what a pod sent came from no interface of another host.
    let entered = u32::from(held.vantage / Vantage::Transit.byte());
    let origin = Origin { mark: mark(seen), entered, flags: 0 };
    if held.by == Side::Server.byte() {
        let vantage = if to_pod { Vantage::Source.byte() } else { held.vantage };
        let key = tracker::reversed(seen);
        passed(&key, &Server { ip: held.dst, port: held.dport }, vantage, Side::Server, &origin);
    } else {
        let arrived = to_pod && held.vantage == Vantage::Transit.byte();
        let vantage = if arrived { Vantage::Destination.byte() } else { held.vantage };
        let key = FlowKey { src: held.src, dst: held.dst, sport: held.sport, dport: held.dport };
        let server = Server { ip: seen.ip.dst, port: seen.tcp.dport };
        passed(&key, &server, vantage, Side::Client, &origin);
    }
}

/// A server's own address. It is one argument, because a BPF function takes five.
struct Server {
    ip: [u8; 16],
    port: u16,
}

/// Counts and reports an orphan, under the address that its client knows and the server's own, which may be the same.
#[inline(never)]
fn passed(key: &FlowKey, server: &Server, vantage: u8, by: Side, origin: &Origin) {
    let mut tuple = Tuple {
        src: key.src,
        dst: key.dst,
        backend: [0; 16],
        sport: key.sport,
        dport: key.dport,
        backend_port: 0,
        _pad: [0; 2],
    };
    if server.ip != key.dst || server.port != key.dport {
        tuple.backend = server.ip;
        tuple.backend_port = server.port;
    }
    count(&PairKey { src: key.src, dst: key.dst, dport: key.dport, vantage, _pad: 0 }, by, Phase::Orphan);
    emit::reset(&tuple, vantage, by, Phase::Orphan, origin);
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
