//! The handshake tracker: SYN, SYN-ACK and FIN.

use observer_abi::{ConnKey, ConnValue, FlowKey, FlowValue, Outcome, PairKey, Vantage, hook};

use super::emit::{self, now};
use super::established;
use super::segment::{Segment, Sighting};
use super::tables::{self, ANY, CLOSED, CONNS, ENDED, LASTING, OPENED, add, counters};

/// A packet reaches its next hook much sooner than a host repeats a SYN: after 1 s, or 200 ms where an administrator has
/// set the smallest time that Linux allows.
const PASSAGE_NS: u64 = 150_000_000;

/// Handles a SYN: a new attempt, a repetition, or a further sighting of one.
#[inline(never)]
pub(super) fn syn(seen: &Segment<'_>) {
    let key = ConnKey { src: seen.ip.src, isn: seen.tcp.seq, sport: seen.tcp.sport, _pad: [0; 2] };
    match CONNS.get_ptr_mut(&key) {
        // SAFETY: map values stay valid while the program runs; other CPUs may write the same fields, and
        // each field is a single word.
        Some(conn) => known(seen, &key, unsafe { &mut *conn }),
        // What entered through another hook was counted there, under an address that was rewritten since.
        None if seen.sighting == Sighting::First => unknown(seen, &key),
        None => {}
    }
}

/// Is true when the SYN was sent again: the hook that saw the first one sees another, or packets take another way now.
#[inline(always)]
fn is_repeated(seen: &Segment<'_>, conn: &ConnValue) -> bool {
    conn.place == seen.place
        || (seen.sighting == Sighting::First && now().saturating_sub(conn.last_ns) > PASSAGE_NS)
}

#[inline(always)]
fn known(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue) {
    if seen.hook == hook::POD_IN {
        conn.flags |= ConnValue::ARRIVED;
    }
    if !is_repeated(seen, conn) {
        return further(seen, key, conn);
    }
    if conn.dst == seen.ip.dst && conn.dport == seen.tcp.dport {
        repeat(seen, conn);
        if conn.flags & ConnValue::FOREIGN == 0 {
            count_syn(&pair(key, conn), true);
        }
        return;
    }
    // Another destination with the same source and sequence number is another attempt. An answer to the old one could
    // no longer be distinguished from an answer to the new one.
    if conn.flags & ConnValue::FOREIGN == 0 {
        count_outcome(&pair(key, conn), Outcome::Unanswered);
        emit::attempt(key, conn, Outcome::Unanswered, 0, 0);
    }
    *conn = fresh(seen);
    count_first(seen, key, conn);
}

/// Notes that the SYN was sent again. NAT may choose another backend for it: the kernel tracks no connection whose SYN a
/// firewall dropped.
#[inline(always)]
fn repeat(seen: &Segment<'_>, conn: &mut ConnValue) {
    conn.syns += 1;
    conn.last_ns = now();
    conn.place = seen.place;
    conn.backend = [0; 16];
    conn.backend_port = 0;
}

/// Handles a SYN at another hook than its first.
#[inline(always)]
fn further(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue) {
    if !seen.foreign {
        confirm(key, conn);
    }
    if seen.hook == hook::POD_IN {
        arrived(seen, key, conn);
    }
}

/// Counts the SYNs of an attempt that turns out to be this node's.
#[inline(never)]
pub(super) fn confirm(key: &ConnKey, conn: &mut ConnValue) {
    if conn.flags & ConnValue::FOREIGN != 0 {
        conn.flags &= !ConnValue::FOREIGN;
        add_syns(&pair(key, conn), i64::from(conn.syns));
    }
}

/// Handles a SYN that reached a local pod. That names the backend, and moves what an uplink counted as transit to the
/// pod.
#[inline(always)]
fn arrived(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue) {
    note_backend(seen, conn);
    if conn.vantage == Vantage::Transit.byte() {
        let syns = i64::from(conn.syns);
        add_syns(&pair(key, conn), -syns);
        conn.vantage = Vantage::Destination.byte();
        add_syns(&pair(key, conn), syns);
    }
}

#[inline(always)]
fn note_backend(seen: &Segment<'_>, conn: &mut ConnValue) {
    if conn.dst != seen.ip.dst || conn.dport != seen.tcp.dport {
        conn.backend = seen.ip.dst;
        conn.backend_port = seen.tcp.dport;
    }
}

#[inline(always)]
fn unknown(seen: &Segment<'_>, key: &ConnKey) {
    if ended_before(seen, key) || opened_before(seen, key) {
        return;
    }
    let conn = fresh(seen);
    count_first(seen, key, &conn);
    tables::begin(key, &conn);
}

/// Handles a SYN whose attempt ended without a connection. False if there is none.
#[inline(never)]
fn ended_before(seen: &Segment<'_>, key: &ConnKey) -> bool {
    let Some(conn) = ENDED.get_ptr_mut(key) else { return false };
    // SAFETY: see `syn`.
    let conn = unsafe { &mut *conn };
    if !is_repeated(seen, conn) {
        if seen.hook == hook::POD_IN {
            note_backend(seen, conn);
        }
        return true;
    }
    if conn.dst != seen.ip.dst || conn.dport != seen.tcp.dport {
        return false;
    }
    repeat(seen, conn);
    count_syn(&pair(key, conn), true);
    true
}

/// Handles a SYN whose connection is open: its sender has not seen the answer. False if there is none.
#[inline(never)]
fn opened_before(seen: &Segment<'_>, key: &ConnKey) -> bool {
    let Some(flow) = tables::opened(&tuple(seen)) else { return false };
    // SAFETY: see `syn`.
    let flow = unsafe { &*flow };
    if flow.isn != key.isn {
        return false;
    }
    let pair = PairKey { src: key.src, dst: flow.dst, dport: flow.dport, vantage: flow.vantage, _pad: 0 };
    count_syn(&pair, true);
    true
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
        place: seen.place,
        answer_place: 0,
        outcome: ConnValue::PENDING,
        vantage: match seen.hook {
            hook::POD_OUT => Vantage::Source,
            hook::POD_IN => Vantage::Destination,
            _ => Vantage::Transit,
        }
        .byte(),
        answers: 0,
        flags: match (seen.foreign, seen.hook) {
            (true, _) => ConnValue::FOREIGN,
            (false, hook::POD_IN) => ConnValue::ARRIVED | made_here(seen),
            (false, hook::UPLINK_OUT) => made_here(seen),
            _ => 0,
        },
    }
}

#[inline(always)]
fn made_here(seen: &Segment<'_>) -> u8 {
    if seen.ingress == 0 { ConnValue::MADE_HERE } else { 0 }
}

/// Counts the first SYN of an attempt, and remembers the data that it carries.
#[inline(always)]
fn count_first(seen: &Segment<'_>, key: &ConnKey, conn: &ConnValue) {
    if !seen.foreign {
        count_syn(&pair(key, conn), false);
    }
    let data = seen.ip.end.wrapping_sub(seen.ip.payload + u32::from(seen.tcp.header_len));
    if data != 0 && data < 65_536 {
        tables::remember_data(key, data);
    }
}

/// Says what is known of the SYN that a SYN-ACK answers.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Answered {
    /// It was seen on its way into a pod.
    Arrived,
    /// It was seen, but not on its way into a pod.
    Elsewhere,
    /// Its attempt has ended.
    Ended,
    /// No attempt has it, as far as is known.
    Unknown,
}

/// Handles a SYN-ACK. The attempt that it answers is established when it leaves towards the client.
#[inline(never)]
pub(super) fn syn_ack(seen: &Segment<'_>) -> Answered {
    let mut key = answered(seen);
    let conn = pending(&mut key);
    if conn.is_null() {
        return late(seen, &key);
    }
    // SAFETY: it is not null; see `syn`.
    let conn = unsafe { &mut *conn };
    let answered = if conn.flags & ConnValue::ARRIVED != 0 { Answered::Arrived } else { Answered::Elsewhere };
    if is_others(seen, conn) {
        return answered;
    }
    note_answer(seen, &key, conn);
    conn.flags &= !ConnValue::REFUSED;
    if !is_delivered(seen, conn) {
        return answered;
    }
    establish(&key, conn);
    answered
}

/// Counts an attempt of which only its socket tells.
#[inline(never)]
pub(super) fn begin_hidden(key: &ConnKey, conn: &ConnValue) {
    count_syn(&pair(key, conn), false);
}

/// Counts a SYN that such an attempt repeats.
#[inline(never)]
pub(super) fn repeat_hidden(key: &ConnKey, conn: &mut ConnValue) {
    conn.syns += 1;
    conn.last_ns = now();
    count_syn(&pair(key, conn), true);
}

/// Ends such an attempt with a connection.
#[inline(never)]
pub(super) fn establish_hidden(key: &ConnKey, conn: &ConnValue) {
    open(key, conn);
    established(key, conn);
}

/// Ends an attempt with a connection. The entry may be used again as soon as it is removed. The one that removes it reports the
/// attempt.
#[inline(always)]
pub(super) fn establish(key: &ConnKey, conn: &ConnValue) {
    let ended = *conn;
    open(key, &ended);
    if tables::end(key) {
        established(key, &ended);
    }
}

/// Counts a connection, and reports it unless it is merged with others.
#[inline(always)]
fn established(key: &ConnKey, ended: &ConnValue) {
    count_outcome(&pair(key, ended), Outcome::Established);
    established::observe(ended);
    if !established::merge(key, ended) {
        emit::attempt(key, ended, Outcome::Established, 0, 0);
    }
}

/// Is true for an answer between two other hosts: neither it nor its SYN was for this node.
#[inline(always)]
pub(super) fn is_others(seen: &Segment<'_>, conn: &ConnValue) -> bool {
    seen.foreign && conn.flags & ConnValue::FOREIGN != 0
}

/// Handles a SYN-ACK that comes after its attempt was reported as unanswered or rejected. An attempt has one outcome, but
/// the connection is open now.
#[inline(never)]
fn late(seen: &Segment<'_>, key: &ConnKey) -> Answered {
    let Some(conn) = ENDED.get_ptr_mut(key) else { return Answered::Unknown };
    // SAFETY: see `syn`.
    let conn = unsafe { &mut *conn };
    if is_delivered(seen, conn) {
        open(key, conn);
        let _ = ENDED.remove(key);
    }
    Answered::Ended
}

/// Returns the pending attempt that an answer belongs to, and corrects its key if the SYN carried data. Null if there is
/// none.
#[inline(never)]
pub(super) fn pending(key: &mut ConnKey) -> *mut ConnValue {
    if let Some(conn) = CONNS.get_ptr_mut(&*key) {
        return conn;
    }
    let Some(with_data) = tables::with_data(key) else { return core::ptr::null_mut() };
    *key = with_data;
    CONNS.get_ptr_mut(&with_data).unwrap_or(core::ptr::null_mut())
}

/// Notes who answered, and counts the answers where the first was seen. True if this hook is that place.
#[inline(never)]
pub(super) fn note_answer(seen: &Segment<'_>, key: &ConnKey, conn: &mut ConnValue) -> bool {
    confirm(key, conn);
    if seen.hook == hook::POD_OUT && (conn.dst != seen.ip.src || conn.dport != seen.tcp.sport) {
        conn.backend = seen.ip.src;
        conn.backend_port = seen.tcp.sport;
    }
    if conn.answer_place == 0 {
        conn.answer_place = seen.place;
    }
    let first = conn.answer_place == seen.place;
    if first {
        conn.answers = conn.answers.saturating_add(1);
    }
    first
}

/// Is true where an answer leaves towards the client: at the hook through which the SYN came. Firewalls drop answers
/// too, so that one that was only sent proves nothing. The way back may lead through another uplink.
#[inline(always)]
pub(super) fn is_delivered(seen: &Segment<'_>, conn: &ConnValue) -> bool {
    let egress = conn.place & 1 != 0;
    let by_uplink =
        conn.vantage == Vantage::Transit.byte() || (conn.vantage == Vantage::Destination.byte() && !egress);
    match (by_uplink, egress) {
        (true, false) => seen.hook == hook::UPLINK_OUT,
        (true, true) => seen.hook == hook::UPLINK_IN,
        (false, _) => seen.place == conn.place ^ 1,
    }
}

/// Ends an attempt without a connection. The entry moves to those that ended, because a client that ignores a refusal
/// repeats its SYN, and other hooks see the same answer: neither is new. The one that removes the pending entry reports the
/// attempt, from the new entry: the old one may be used again, and the stack is too small for a copy. `icmp` and `mark` are
/// as in [`emit::attempt`].
#[inline(always)]
pub(super) fn finish(key: &ConnKey, conn: &mut ConnValue, outcome: Outcome, icmp: u16, mark: u64) {
    conn.outcome = outcome.byte();
    let _ = ENDED.insert(key, &*conn, ANY);
    if !tables::end(key) {
        return;
    }
    if let Some(ended) = ENDED.get_ptr(key) {
        // SAFETY: see `syn`.
        let ended = unsafe { &*ended };
        count_outcome(&pair(key, ended), outcome);
        emit::attempt(key, ended, outcome, icmp, mark);
    }
}

/// Remembers the connection under both tuples that the hooks see of it.
#[inline(never)]
fn open(key: &ConnKey, conn: &ConnValue) {
    let flow = FlowValue::opened(key, conn);
    let mut tuple = FlowKey { src: key.src, dst: conn.dst, sport: key.sport, dport: conn.dport };
    let _ = OPENED.insert(&tuple, &flow, ANY);
    if conn.backend_port != 0 {
        tuple.dst = conn.backend;
        tuple.dport = conn.backend_port;
        let _ = OPENED.insert(&tuple, &flow, ANY);
    }
}

/// Handles a FIN: after one from each side the connection is closed.
#[inline(never)]
pub(super) fn fin(seen: &Segment<'_>) {
    let mut key = tuple(seen);
    let mut bit = FlowValue::FIN_CLIENT;
    let mut found = tables::opened(&key);
    if found.is_none() {
        key = reversed(seen);
        bit = FlowValue::FIN_SERVER;
        found = tables::opened(&key);
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

/// Moves a connection to the table of those that ended, under this tuple.
#[inline(never)]
fn close(key: &FlowKey, flow: &FlowValue) {
    let copy = *flow;
    let _ = CLOSED.insert(key, &copy, ANY);
    let _ = OPENED.remove(key);
    let _ = LASTING.remove(key);
}

/// Closes a connection that a RST has ended, under both tuples that the hooks see of it: each hook finds that the RST was
/// counted.
#[inline(always)]
pub(super) fn end_both(key: &FlowKey, flow: &FlowValue) {
    let mut other = *key;
    if key.dst == flow.dst && key.dport == flow.dport {
        other.dst = flow.backend;
        other.dport = flow.backend_port;
    } else {
        other.dst = flow.dst;
        other.dport = flow.dport;
    }
    // `flow` is in the table under `key`, so that this entry goes last.
    if flow.backend_port != 0 {
        close(&other, flow);
    }
    close(key, flow);
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

/// Returns the key of the attempt that this segment's sender began with the SYN before it.
#[inline(always)]
pub(super) fn given_up(seen: &Segment<'_>) -> ConnKey {
    ConnKey { src: seen.ip.src, isn: seen.tcp.seq.wrapping_sub(1), sport: seen.tcp.sport, _pad: [0; 2] }
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

/// Adds the SYNs of one attempt at once: all but the first are repetitions.
#[inline(always)]
fn add_syns(pair: &PairKey, n: i64) {
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
