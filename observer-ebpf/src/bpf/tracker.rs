//! The handshake tracker: SYN, SYN-ACK and FIN.

use aya_ebpf::helpers::bpf_ktime_get_ns;
use observer_abi::{ConnKey, ConnValue, FlowKey, FlowValue, PairKey, hook, lost, outcome, vantage};

use super::emit;
use super::tables::{CLOSED, CONNS, FLOWS, add, counters, lose};
use super::tc::{Seen, Sighting};

const ANY: u64 = 0;
const NOEXIST: u64 = 1;

/// A SYN: a new attempt, a repetition, or a further sighting of one.
#[inline(never)]
pub(super) fn syn(seen: &Seen<'_>) {
    let key = ConnKey { src: seen.ip.src, isn: seen.tcp.seq, sport: seen.tcp.sport, _pad: [0; 2] };
    match CONNS.get_ptr_mut(&key) {
        // SAFETY: map values stay valid while the program runs; other CPUs may write the same fields, and
        // each field is a single word.
        Some(conn) => known(seen, &key, unsafe { &mut *conn }),
        None => unknown(seen, &key),
    }
}

#[inline(always)]
fn known(seen: &Seen<'_>, key: &ConnKey, conn: &mut ConnValue) {
    let same = conn.dst == seen.ip.dst && conn.dport == seen.tcp.dport;
    match seen.sighting {
        Sighting::First if same => {
            conn.syns += 1;
            conn.last_ns = now();
            count_syn(&pair(key, conn), true);
        }
        // Another destination with the same source and sequence number is another attempt: the old one can
        // get no answer any more that we could tell from the new one's.
        Sighting::First => {
            if conn.outcome == outcome::PENDING {
                count_outcome(&pair(key, conn), outcome::UNANSWERED);
                emit::attempt(key, conn, outcome::UNANSWERED, 0);
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

/// The SYN reached a local pod: that names the backend, and what an uplink counted as transit is the pod's.
#[inline(always)]
fn arrived(seen: &Seen<'_>, key: &ConnKey, conn: &mut ConnValue, same: bool) {
    if !same {
        conn.backend = seen.ip.dst;
        conn.backend_port = seen.tcp.dport;
    }
    if conn.vantage == vantage::TRANSIT {
        let syns = i64::from(conn.syns);
        move_syns(&pair(key, conn), -syns);
        conn.vantage = vantage::DESTINATION;
        move_syns(&pair(key, conn), syns);
    }
}

#[inline(always)]
fn unknown(seen: &Seen<'_>, key: &ConnKey) {
    if seen.sighting != Sighting::First {
        // Counted before under an address that was rewritten since. Remember the rewritten tuple, so that
        // the uplink leaves its answers to the pod's veth.
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
fn fresh(seen: &Seen<'_>) -> ConnValue {
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
        outcome: outcome::PENDING,
        vantage: match seen.hook {
            hook::POD_OUT => vantage::SOURCE,
            hook::POD_IN => vantage::DESTINATION,
            _ => vantage::TRANSIT,
        },
        _pad: [0; 2],
    }
}

#[inline(always)]
fn alias(seen: &Seen<'_>) {
    let value = FlowValue {
        dst: seen.ip.dst,
        backend: [0; 16],
        isn: seen.tcp.seq,
        dport: seen.tcp.dport,
        backend_port: 0,
        flags: FlowValue::LOCAL | FlowValue::ALIAS,
        vantage: vantage::SOURCE,
        _pad: [0; 2],
    };
    let _ = FLOWS.insert(&tuple(seen), &value, ANY);
}

/// A SYN-ACK: the attempt it answers is established.
#[inline(never)]
pub(super) fn syn_ack(seen: &Seen<'_>) {
    let key = answered(seen);
    let Some(conn) = CONNS.get_ptr_mut(&key) else { return };
    // SAFETY: see `syn`.
    let conn = unsafe { &mut *conn };
    let told = conn.outcome != outcome::PENDING;
    conn.outcome = outcome::ESTABLISHED;
    if seen.hook == hook::POD_OUT && conn.dst != seen.ip.src {
        conn.backend = seen.ip.src;
        conn.backend_port = seen.tcp.sport;
    }
    open(&key, conn);
    // An answer may come after the attempt was given up for unanswered or rejected: it was told once already.
    if !told {
        count_outcome(&pair(&key, conn), outcome::ESTABLISHED);
        emit::attempt(&key, conn, outcome::ESTABLISHED, 0);
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
        flags: if conn.vantage == vantage::TRANSIT { 0 } else { FlowValue::LOCAL },
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

/// A FIN: after one from each side the connection is closed.
#[inline(never)]
pub(super) fn fin(seen: &Seen<'_>) {
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

/// Moves a connection to those that ended.
#[inline(always)]
pub(super) fn close(key: &FlowKey, flow: &FlowValue) {
    let copy = *flow;
    let _ = CLOSED.insert(key, &copy, ANY);
    let _ = FLOWS.remove(key);
}

/// The packet's tuple if its sender opened the connection.
#[inline(always)]
pub(super) fn tuple(seen: &Seen<'_>) -> FlowKey {
    FlowKey { src: seen.ip.src, dst: seen.ip.dst, sport: seen.tcp.sport, dport: seen.tcp.dport }
}

/// The packet's tuple if its receiver opened the connection.
#[inline(always)]
pub(super) fn reversed(seen: &Seen<'_>) -> FlowKey {
    FlowKey { src: seen.ip.dst, dst: seen.ip.src, sport: seen.tcp.dport, dport: seen.tcp.sport }
}

/// Key of the attempt whose SYN this segment acknowledges.
#[inline(always)]
pub(super) fn answered(seen: &Seen<'_>) -> ConnKey {
    ConnKey { src: seen.ip.dst, isn: seen.tcp.ack.wrapping_sub(1), sport: seen.tcp.dport, _pad: [0; 2] }
}

#[inline(always)]
pub(super) fn pair(key: &ConnKey, conn: &ConnValue) -> PairKey {
    PairKey { src: key.src, dst: conn.dst, dport: conn.dport, vantage: conn.vantage, _pad: 0 }
}

#[inline(always)]
pub(super) fn count_outcome(pair: &PairKey, outcome: u8) {
    let c = counters(pair);
    if !c.is_null() {
        // SAFETY: `c` is not null and points into a map value; the index is one of the five constants.
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

#[inline(always)]
fn now() -> u64 {
    // SAFETY: the helper only reads the clock.
    unsafe { bpf_ktime_get_ns() }
}
