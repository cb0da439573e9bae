//! What TCP sockets say themselves: that a connection is open or was refused, whatever way its packets took, and which
//! process it belongs to.
//!
//! Three raw tracepoints, none of which fires for data: `sock:inet_sock_set_state`, `tcp:tcp_receive_reset` and
//! `tcp:tcp_retransmit_skb`. They see the whole machine. An attempt has the same key here as at the hooks, because the client's
//! socket knows the address, the port and the sequence number of its SYN. So only attempts that a hook of this node saw are
//! ended, and each once; of pods that no hook is at, those that no hook saw begin here. Whose process it is concerns only the node's own network namespace: pods in others have addresses of
//! their own.

use aya_ebpf::helpers::generated::{bpf_get_current_task, bpf_probe_read_kernel_str};
use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use observer_abi::{
    CGROUP_LEVELS, CGROUP_NAME, CgroupKey, CgroupNames, Cgroups, ConnKey, ConnValue, FlowKey, Listening,
    Outcome, Vantage, mark,
};

use super::drops::{argument, read};
use super::packet::{IPPROTO_TCP, mapped};
use super::settings::{namespace, sockets as layout};
use super::tables::{self, ANY, CGROUPS, CONNS, ENDED, LISTENERS, NOEXIST, OWNERS, SOCKETS};
use super::{emit, tracker};

/// States of a TCP socket, as in
/// <https://github.com/torvalds/linux/blob/v5.10/include/net/tcp_states.h>.
const ESTABLISHED: u32 = 1;
const SYN_SENT: u32 = 2;
const SYN_RECV: u32 = 3;
const CLOSE: u32 = 7;
const LISTEN: u32 = 10;

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

const EMPTY: ConnKey = ConnKey { src: [0; 16], isn: 0, sport: 0, _pad: [0; 2] };
const NOBODY: Cgroups = [CgroupKey { at: 0, id: 0 }; 3];
static NO_NAMES: CgroupNames = [[0; CGROUP_NAME]; CGROUP_LEVELS];

#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub(super) fn flow_obs_sockets(ctx: RawTracePointContext) -> i32 {
    let socket = argument::<0>(&ctx);
    let (old, new) = (argument::<1>(&ctx) as u32, argument::<2>(&ctx) as u32);
    let changes = matches!(
        (old, new),
        (CLOSE, SYN_SENT | LISTEN)
            | (SYN_SENT, ESTABLISHED | CLOSE)
            | (SYN_RECV, ESTABLISHED)
            | (LISTEN, CLOSE)
    );
    if !changes || read::<u16>(socket + layout::protocol()) != Some(u16::from(IPPROTO_TCP)) {
        return 0;
    }
    match (old, new) {
        (_, SYN_SENT) => connects(socket),
        (SYN_SENT, ESTABLISHED) => opened(socket),
        (SYN_SENT, _) => closed(socket),
        (_, LISTEN) => listens(socket),
        (LISTEN, _) => drop(LISTENERS.remove(&socket)),
        _ => accepts(socket),
    }
    0
}

/// A RST that a socket takes. One that answers its SYN refuses it.
#[raw_tracepoint(tracepoint = "tcp_receive_reset")]
pub(super) fn flow_obs_refused(ctx: RawTracePointContext) -> i32 {
    let socket = argument::<0>(&ctx);
    if read::<u8>(socket + layout::state()) == Some(SYN_SENT as u8) {
        refused(socket);
    }
    0
}

/// A SYN that is sent again: what the socket did not know when it began is known now.
#[raw_tracepoint(tracepoint = "tcp_retransmit_skb")]
pub(super) fn flow_obs_repeated(ctx: RawTracePointContext) -> i32 {
    let socket = argument::<0>(&ctx);
    if read::<u8>(socket + layout::state()) == Some(SYN_SENT as u8) {
        let mut key = EMPTY;
        if begun(socket, 0, &mut key) {
            note_owner(socket, &key);
            repeated(socket, &key);
        }
    }
    0
}

/// Handles a SYN of a hidden pod that is sent again. The sweep ends the attempt if nobody answers.
#[inline(never)]
fn repeated(socket: u64, key: &ConnKey) {
    match CONNS.get_ptr_mut(key) {
        // SAFETY: map values stay valid while the program runs.
        Some(conn) => unsafe {
            if (*conn).flags & ConnValue::BY_SOCKET != 0 {
                tracker::repeat_hidden(key, &mut *conn);
            }
        },
        None => {
            let mut conn = NOTHING;
            if is_unseen(socket, key, &mut conn) {
                tracker::begin_hidden(key, &conn);
                tracker::repeat_hidden(key, &mut conn);
                tables::begin(key, &conn);
            }
        }
    }
}

/// Describes an attempt that no hook saw, of a pod that no hook is at. False for any other.
#[inline(never)]
fn is_unseen(socket: u64, key: &ConnKey, conn: &mut ConnValue) -> bool {
    if !tables::is_hidden(&key.src) || ENDED.get_ptr(key).is_some() {
        return false;
    }
    let mut flow = FlowKey { src: key.src, dst: [0; 16], sport: key.sport, dport: 0 };
    if !other_end(socket, &mut flow) || flow.dst == key.src || is_loopback(&flow.dst) {
        return false;
    }
    if let Some(opened) = tables::opened(&flow) {
        // SAFETY: map values stay valid while the program runs.
        if unsafe { (*opened).isn } == key.isn {
            return false;
        }
    }
    let now = emit::now();
    // The time between SYN and answer, where TCP has measured it.
    let round_trip = u64::from(read::<u32>(socket + layout::srtt()).unwrap_or(0) >> 3) * 1_000;
    conn.first_ns = now.saturating_sub(round_trip);
    conn.last_ns = now;
    conn.dst = flow.dst;
    conn.dport = flow.dport;
    true
}

/// An attempt that began at a socket.
const NOTHING: ConnValue = ConnValue {
    first_ns: 0,
    last_ns: 0,
    dst: [0; 16],
    backend: [0; 16],
    dport: 0,
    backend_port: 0,
    syns: 1,
    drop_reason: 0,
    place: 0,
    answer_place: 0,
    outcome: ConnValue::PENDING,
    vantage: Vantage::Source.byte(),
    answers: 0,
    flags: ConnValue::BY_SOCKET,
};

#[inline(always)]
fn other_end(socket: u64, flow: &mut FlowKey) -> bool {
    let Some(port) = read::<u16>(socket + layout::dport()) else { return false };
    flow.dport = u16::from_be(port);
    address(socket, layout::daddr(), layout::daddr6(), &mut flow.dst)
}

#[inline(always)]
fn is_loopback(ip: &[u8; 16]) -> bool {
    *ip == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
        || (ip[10] == 0xff && ip[11] == 0xff && ip[12] == 127)
}

/// Notes who opens a connection. The port is not chosen yet.
#[inline(always)]
fn connects(socket: u64) {
    if is_own(socket) {
        let mut cgroups = NOBODY;
        current(&mut cgroups);
        let _ = SOCKETS.insert(&socket, &cgroups, ANY);
    }
}

/// The client has the server's answer: its SYN is acknowledged.
#[inline(never)]
fn opened(socket: u64) {
    let mut key = EMPTY;
    if begun(socket, 1, &mut key) {
        note_owner(socket, &key);
        let _ = SOCKETS.remove(&socket);
        if let Some(conn) = CONNS.get_ptr_mut(&key) {
            // SAFETY: map values stay valid while the program runs.
            let conn = unsafe { &mut *conn };
            if conn.flags & ConnValue::FOREIGN == 0 {
                tracker::establish(&key, conn);
            }
            return;
        }
        let mut conn = NOTHING;
        if is_unseen(socket, &key, &mut conn) {
            tracker::begin_hidden(&key, &conn);
            tracker::establish_hidden(&key, &conn);
        }
    }
}

/// The client has given up, or was refused.
#[inline(never)]
fn closed(socket: u64) {
    let mut key = EMPTY;
    if begun(socket, 0, &mut key) {
        note_owner(socket, &key);
    }
    let _ = SOCKETS.remove(&socket);
}

#[inline(never)]
fn refused(socket: u64) {
    let mut key = EMPTY;
    if !begun(socket, 0, &mut key) {
        return;
    }
    note_owner(socket, &key);
    let Some(conn) = CONNS.get_ptr_mut(&key) else {
        let mut conn = NOTHING;
        if is_unseen(socket, &key, &mut conn) {
            tracker::begin_hidden(&key, &conn);
            tables::begin(&key, &conn);
            tracker::finish(&key, &mut conn, Outcome::Refused, 0, mark(0, key.isn.wrapping_add(1)));
        }
        return;
    };
    // SAFETY: map values stay valid while the program runs.
    let conn = unsafe { &mut *conn };
    if conn.flags & ConnValue::FOREIGN == 0 {
        tracker::finish(&key, conn, Outcome::Refused, 0, mark(0, key.isn.wrapping_add(1)));
    }
}

/// Finds the key of the attempt that a socket began. `acknowledged` is the number of bytes, the SYN's one among them, that the
/// server has acknowledged. False where something can't be read.
#[inline(always)]
fn begun(socket: u64, acknowledged: u32, key: &mut ConnKey) -> bool {
    let Some(sport) = own_port(socket) else { return false };
    let Some(next) = read::<u32>(socket + layout::snd_una()) else { return false };
    key.sport = sport;
    key.isn = next.wrapping_sub(acknowledged);
    own_address(socket, &mut key.src)
}

#[inline(always)]
fn own_port(socket: u64) -> Option<u16> {
    read::<u16>(socket + layout::sport()).map(u16::from_be).filter(|port| *port != 0)
}

#[inline(always)]
fn own_address(socket: u64, ip: &mut [u8; 16]) -> bool {
    address(socket, layout::saddr(), layout::saddr6(), ip)
}

/// Reads an address of a socket, which is at one place for IPv4 and at another for IPv6. False where there is none.
///
/// It is a function of its own, because the compiler may read an address that was never written, and the verifier of 5.10
/// refuses that.
#[inline(never)]
fn address(socket: u64, v4: u64, v6: u64, ip: &mut [u8; 16]) -> bool {
    let found = match read::<u16>(socket + layout::family()) {
        Some(AF_INET) => read::<[u8; 4]>(socket + v4).map(mapped),
        Some(AF_INET6) if v6 != 0 => read(socket + v6),
        _ => None,
    };
    let Some(found) = found else { return false };
    *ip = found;
    true
}

/// Notes whose attempt it is, if its socket was seen as it began.
#[inline(always)]
fn note_owner(socket: u64, key: &ConnKey) {
    if let Some(cgroups) = SOCKETS.get_ptr(&socket) {
        // SAFETY: map values stay valid while the program runs.
        let _ = OWNERS.insert(key, unsafe { &*cgroups }, ANY);
    }
}

/// Notes who listens.
#[inline(never)]
fn listens(socket: u64) {
    if is_own(socket) {
        let mut listening = Listening { cgroups: NOBODY, ip: [0; 16], port: 0, _pad: [0; 6] };
        current(&mut listening.cgroups);
        listen(socket, socket, &mut listening);
    }
}

/// Notes who accepts a connection, for a listener that is older than the agent. Only the unified hierarchy is known here: the
/// process that runs is any.
#[inline(never)]
fn accepts(socket: u64) {
    if !is_own(socket) {
        return;
    }
    let mut listening = Listening { cgroups: NOBODY, ip: [0; 16], port: 0, _pad: [0; 6] };
    // The lowest bits are flags before 5.15.
    let Some(cgroup) = read::<u64>(socket + layout::cgroup()) else { return };
    if cgroup & 1 == 0 && name(cgroup & !3, &mut listening.cgroups[2]) {
        let Some(port) = own_port(socket) else { return };
        listen(socket, listening.cgroups[2].at ^ u64::from(port), &mut listening);
    }
}

#[inline(always)]
fn listen(socket: u64, at: u64, listening: &mut Listening) {
    let Some(port) = own_port(socket) else { return };
    listening.port = port;
    if own_address(socket, &mut listening.ip) {
        let _ = LISTENERS.insert(&at, &*listening, ANY);
    }
}

/// Is true for a socket in the node's own network namespace.
#[inline(always)]
fn is_own(socket: u64) -> bool {
    read::<u64>(socket + namespace::sock_net())
        .and_then(|net| read::<u32>(net + namespace::net_inum()))
        .is_some_and(|inum| u64::from(inum) == namespace::own())
}

/// Finds the cgroups of the process that runs.
#[inline(never)]
fn current(cgroups: &mut Cgroups) {
    // SAFETY: the helper only returns an address.
    let task = unsafe { bpf_get_current_task() };
    let Some(set) = read::<u64>(task + layout::task_cgroups()) else { return };
    let by_controller = |at: u64| -> u64 {
        if at == 0 {
            return 0;
        }
        let state: u64 = read(set + at).unwrap_or(0);
        if state == 0 { 0 } else { read(state + layout::css_cgroup()).unwrap_or(0) }
    };
    name(by_controller(layout::memory()), &mut cgroups[0]);
    name(by_controller(layout::pids()), &mut cgroups[1]);
    name(read(set + layout::unified()).unwrap_or(0), &mut cgroups[2]);
}

/// Finds a cgroup's key, and notes its names. False where it can't be read.
#[inline(never)]
fn name(cgroup: u64, key: &mut CgroupKey) -> bool {
    if cgroup == 0 {
        return false;
    }
    let Some(at) = read::<u64>(cgroup + layout::kn()) else { return false };
    let Some(id) = read::<u64>(at + layout::kn_id()) else { return false };
    *key = CgroupKey { at, id };
    if CGROUPS.get_ptr(&*key).is_none() {
        let _ = CGROUPS.insert(&*key, &NO_NAMES, NOEXIST);
        spell(&*key);
    }
    true
}

/// Writes the names of a cgroup and those above it.
#[inline(never)]
fn spell(key: &CgroupKey) {
    let Some(names) = CGROUPS.get_ptr_mut(key) else { return };
    let mut at = key.at;
    for level in 0..CGROUP_LEVELS {
        let Some(name) = read::<u64>(at + layout::kn_name()) else { return };
        // SAFETY: the entry has as many names, and the helper writes at most the bytes of one.
        unsafe {
            let to = (&raw mut (*names)[level]).cast();
            bpf_probe_read_kernel_str(to, CGROUP_NAME as u32, name as *const _);
        }
        match read::<u64>(at + layout::kn_parent()) {
            Some(parent) if parent != 0 => at = parent,
            _ => return,
        }
    }
}
