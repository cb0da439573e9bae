//! The handshake tracker: SYN, SYN-ACK and FIN.

use observer_abi::{ConnKey, ConnValue, FlowKey, FlowValue, Outcome, PairKey, Vantage, hook, lost};

use super::emit::{self, now};
use super::segment::{Segment, Sighting};
use super::tables::{CLOSED, CONNS, FLOWS, add, counters, lose};

const ANY: u64 = 0;
const NOEXIST: u64 = 1;

/// Handles a SYN: a new attempt, a repetition, or a further sighting of one.
#[inline(never)]
pub(super) fn syn(seen: &Segment<'_>) {
    let key = ConnKey { src: seen.ip.src, isn: seen.tcp.seq, sport: seen.tcp.sport, _pad: [0; 2] };
    match CONNS.get_ptr_mut(&key) {
        // SAFETY: map values stay valid while the program runs; other CPUs may write the same fields, and
        // each field is a single word.
        Some(conn) => known(seen, &key, unsafe { &mut *conn }),
        None => unknown(seen, &key),
    }
}

#[inline(always)]
fn known(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue) {
    let same = conn.dst == seen.ip.dst && conn.dport == seen.tcp.dport;
    match seen.sighting {
        Sighting::First if same => {
            conn.syns += 1;
            conn.last_ns = now();
            count_syn(&pair(key, conn), true);
        }
        // Another destination with the same source and sequence number is another attempt. An answer to the old one
        // could no longer be distinguished from an answer to the new one.
        Sighting::First => {
            if conn.outcome == ConnValue::PENDING {
                count_outcome(&pair(key, conn), Outcome::Unanswered);
                emit::attempt(key, conn, Outcome::Unanswered, 0);
            }
            *conn = fresh(seen);
            count_syn(&pair(key, conn), false);
        }
        Sighting::AfterPod | Sighting::AfterUplink if seen.hook == hook::POD_IN => {
            arrived(seen, key, conn, same)
        }
        Sighting::AfterPod | Sighting::AfterUplink => {}
    }
}

/// Handles a SYN that reached a local pod. That names the backend, and moves what an uplink counted as transit to the
/// pod.
#[inline(always)]
fn arrived(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue, same: bool) {
    if !same {
        conn.backend = seen.ip.dst;
        conn.backend_port = seen.tcp.dport;
    }
    if conn.vantage == Vantage::Transit.byte() {
        let syns = i64::from(conn.syns);
        move_syns(&pair(key, conn), -syns);
        conn.vantage = Vantage::Destination.byte();
        move_syns(&pair(key, conn), syns);
    }
}

#[inline(always)]
fn unknown(seen: &Segment<'_>, key: &ConnKey) {
    if seen.sighting != Sighting::First {
        // It was counted under an address that was rewritten since. Remember the rewritten tuple, so that the uplink
        // leaves its answers to the pod's veth.
        if seen.hook == hook::UPLINK_OUT && seen.sighting == Sighting::AfterPod {
            alias(seen);
        }
        return;
    }
    let conn = fresh(seen);
    let pair = pair(key, &conn);
    if let Some(flow) = FLOWS.get_ptr(&tuple(seen)) {
        // SAFETY: see `syn`.
        let flow = unsafe { &*flow };
        if flow.isn == key.isn && flow.flags & FlowValue::ALIAS == 0 {
            return count_syn(&pair, true);
        }
    }
    count_syn(&pair, false);
    if CONNS.insert(key, &conn, NOEXIST).is_err() {
        lose(lost::CONNS);
    }
}

#[inline(always)]
fn fresh(seen: &Segment<'_>) -> ConnValue {
    let now = now();
    ConnValue {
        first_ns: now,
        last_ns: now,
        dst: seen.ip.dst,
        backend: [0; 16],
        dport: seen.tcp.dport,
        backend_port: 0,
        syns: 1,
        drop_reason: 0,
        outcome: ConnValue::PENDING,
        vantage: match seen.hook {
            hook::POD_OUT => Vantage::Source,
            hook::POD_IN => Vantage::Destination,
            _ => Vantage::Transit,
        }
        .byte(),
        _pad: [0; 2],
    }
}

#[inline(always)]
fn alias(seen: &Segment<'_>) {
    let value = FlowValue {
        dst: seen.ip.dst,
        backend: [0; 16],
        isn: seen.tcp.seq,
        dport: seen.tcp.dport,
        backend_port: 0,
        flags: FlowValue::LOCAL | FlowValue::ALIAS,
        vantage: Vantage::Source.byte(),
        _pad: [0; 2],
    };
    let _ = FLOWS.insert(&tuple(seen), &value, ANY);
}

/// Handles a SYN-ACK: the attempt it answers is established.
#[inline(never)]
pub(super) fn syn_ack(seen: &Segment<'_>) {
    let key = answered(seen);
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return };
    // SAFETY: see `syn`.
    let conn = unsafe { &mut *conn };
    let reported = conn.outcome != ConnValue::PENDING;
    conn.outcome = Outcome::Established.byte();
    if seen.hook == hook::POD_OUT && conn.dst != seen.ip.src {
        conn.backend = seen.ip.src;
        conn.backend_port = seen.tcp.sport;
    }
    open(&key, conn);
    // An answer may come after the attempt was reported as unanswered or rejected. An attempt has one outcome.
    if !reported {
        count_outcome(&pair(&key, conn), Outcome::Established);
        emit::attempt(&key, conn, Outcome::Established, 0);
    }
    let _ = CONNS.remove(&key);
}

/// Remembers the connection under both tuples that the hooks see of it.
#[inline(always)]
fn open(key: &ConnKey, conn: &ConnValue) {
    let flow = FlowValue {
        dst: conn.dst,
        backend: conn.backend,
        isn: key.isn,
        dport: conn.dport,
        backend_port: conn.backend_port,
        flags: if conn.vantage == Vantage::Transit.byte() { 0 } else { FlowValue::LOCAL },
        vantage: conn.vantage,
        _pad: [0; 2],
    };
    let mut tuple = FlowKey { src: key.src, dst: conn.dst, sport: key.sport, dport: conn.dport };
    let _ = FLOWS.insert(&tuple, &flow, ANY);
    if conn.backend_port != 0 {
        tuple.dst = conn.backend;
        tuple.dport = conn.backend_port;
        let _ = FLOWS.insert(&tuple, &flow, ANY);
    }
}

/// Handles a FIN: after one from each side the connection is closed.
#[inline(never)]
pub(super) fn fin(seen: &Segment<'_>) {
    let mut key = tuple(seen);
    let mut bit = FlowValue::FIN_CLIENT;
    let mut found = FLOWS.get_ptr_mut(&key);
    if found.is_none() {
        key = reversed(seen);
        bit = FlowValue::FIN_SERVER;
        found = FLOWS.get_ptr_mut(&key);
    }
    let Some(flow) = found else { return };
    // SAFETY: see `syn`.
    let flow = unsafe { &mut *flow };
    flow.flags |= bit;
    let both = FlowValue::FIN_CLIENT | FlowValue::FIN_SERVER;
    if flow.flags & both == both {
        close(&key, flow);
    }
}

/// Moves a connection to the table of those that ended.
#[inline(always)]
pub(super) fn close(key: &FlowKey, flow: &FlowValue) {
    let copy = *flow;
    let _ = CLOSED.insert(key, &copy, ANY);
    let _ = FLOWS.remove(key);
}

/// Returns the packet's tuple if its sender opened the connection.
#[inline(always)]
pub(super) fn tuple(seen: &Segment<'_>) -> FlowKey {
    FlowKey { src: seen.ip.src, dst: seen.ip.dst, sport: seen.tcp.sport, dport: seen.tcp.dport }
}

/// Returns the packet's tuple if its receiver opened the connection.
#[inline(always)]
pub(super) fn reversed(seen: &Segment<'_>) -> FlowKey {
    FlowKey { src: seen.ip.dst, dst: seen.ip.src, sport: seen.tcp.dport, dport: seen.tcp.sport }
}

/// Returns the key of the attempt whose SYN this segment acknowledges.
#[inline(always)]
pub(super) fn answered(seen: &Segment<'_>) -> ConnKey {
    ConnKey { src: seen.ip.dst, isn: seen.tcp.ack.wrapping_sub(1), sport: seen.tcp.dport, _pad: [0; 2] }
}

/// Returns the pair that an attempt is counted under.
#[inline(always)]
pub(super) fn pair(key: &ConnKey, conn: &ConnValue) -> PairKey {
    PairKey { src: key.src, dst: conn.dst, dport: conn.dport, vantage: conn.vantage, _pad: 0 }
}

/// Counts an attempt's outcome.
#[inline(always)]
pub(super) fn count_outcome(pair: &PairKey, outcome: Outcome) {
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value; it has a place for each outcome.
        add(unsafe { (&raw mut (*c).outcomes).cast::<u64>().add(outcome as usize) }, 1);
    }
}

#[inline(always)]
fn count_syn(pair: &PairKey, again: bool) {
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value.
        unsafe {
            add(&raw mut (*c).syn, 1);
            if again {
                add(&raw mut (*c).syn_retransmits, 1);
            }
        }
    }
}

#[inline(always)]
fn move_syns(pair: &PairKey, n: i64) {
    let again = if n < 0 { n + 1 } else { n - 1 };
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value.
        unsafe {
            add(&raw mut (*c).syn, n);
            add(&raw mut (*c).syn_retransmits, again);
        }
    }
}
