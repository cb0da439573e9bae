//! Notes the SYNs that enter a pod while the accept queue of its server is full. TCP drops them without an answer, and no
//! drop of `kfree_skb` shows it (`tcp_conn_request` in
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_input.c>).
//!
//! Only SYNs are looked at. The socket is looked up in the pod's own namespace, by the number that the kernel gives it here.
//! As with `handshakes`, this is called beside the tracker, which needs most of the stack.

use aya_ebpf::bindings::{__sk_buff, bpf_sock};
use aya_ebpf::helpers::generated::{bpf_sk_release, bpf_skc_lookup_tcp, bpf_skc_to_tcp_sock};
use observer_abi::{ConnKey, hook};

use super::segment::Segment;
use super::settings::listeners as layout;
use super::tables;

/// `TCP_LISTEN`.
const LISTEN: u32 = 10;
/// Words of a `struct bpf_sock_tuple`, and the bytes of it that each family uses.
const TUPLE: usize = 9;
const IPV4_BYTES: u32 = 12;
const IPV6_BYTES: u32 = 36;

/// Notes the backlog of the listening socket that a SYN is for, if its queue is full.
///
/// It is not inlined, because what it holds would be on the stack while the tracker runs.
#[inline(never)]
pub(super) fn syn(skb: *mut __sk_buff, seen: &Segment<'_>) {
    if seen.hook != hook::POD_IN || layout::backlog() == 0 {
        return;
    }
    let Some(namespace) = tables::namespace_id(seen.place >> 1) else { return };
    let full = full(skb, seen, namespace);
    if full != 0 {
        let key = ConnKey { src: seen.ip.src, isn: seen.tcp.seq, sport: seen.tcp.sport, _pad: [0; 2] };
        tables::note_full_queue(&key, full as u32 - 1);
    }
}

/// Returns one more than the backlog of the listening socket, if its accept queue is full; else 0.
#[inline(never)]
fn full(skb: *mut __sk_buff, seen: &Segment<'_>, namespace: u32) -> u64 {
    let mut tuple = [0; TUPLE];
    let size = fill(&mut tuple, seen);
    // SAFETY: the context is valid for the program's run, and `tuple` is at least `size` bytes long.
    let socket =
        unsafe { bpf_skc_lookup_tcp(skb.cast(), tuple.as_mut_ptr().cast(), size, u64::from(namespace), 0) };
    if socket.is_null() {
        return 0;
    }
    let full = backlog_if_full(socket);
    // SAFETY: the lookup took a reference, which is given back once.
    unsafe { bpf_sk_release(socket.cast()) };
    full
}

/// Writes the addresses and ports of a packet, in network order. Returns the bytes that its family uses.
#[inline(always)]
fn fill(tuple: &mut [u32; TUPLE], seen: &Segment<'_>) -> u32 {
    let word = |ip: &[u8; 16], i: usize| u32::from_ne_bytes([ip[i], ip[i + 1], ip[i + 2], ip[i + 3]]);
    let [sport, dport] = [seen.tcp.sport.to_be_bytes(), seen.tcp.dport.to_be_bytes()];
    let ports = u32::from_ne_bytes([sport[0], sport[1], dport[0], dport[1]]);
    let (src, dst) = (&seen.ip.src, &seen.ip.dst);
    let is_ipv4 = word(dst, 0) == 0 && word(dst, 4) == 0 && word(dst, 8) == 0xffff_u32.to_be();
    if is_ipv4 {
        tuple[0] = word(src, 12);
        tuple[1] = word(dst, 12);
        tuple[2] = ports;
        return IPV4_BYTES;
    }
    for i in 0..4 {
        tuple[i] = word(src, i * 4);
        tuple[4 + i] = word(dst, i * 4);
    }
    tuple[8] = ports;
    IPV6_BYTES
}

/// See [`full`]. The queue is full when more wait than the backlog says (`sk_acceptq_is_full` in
/// <https://github.com/torvalds/linux/blob/v5.10/include/net/sock.h>).
#[inline(always)]
fn backlog_if_full(socket: *mut bpf_sock) -> u64 {
    // SAFETY: the verifier checks the access, and that the socket is not null.
    if unsafe { (*socket).state } != LISTEN {
        return 0;
    }
    // SAFETY: the helper checks the kind of socket, and returns null for another.
    let tcp = unsafe { bpf_skc_to_tcp_sock(socket.cast()) }.cast::<u8>();
    if tcp.is_null() {
        return 0;
    }
    // SAFETY: the offsets are those of two u32 of this structure; the verifier checks that.
    let number = |offset: u64| unsafe { core::ptr::read_volatile(tcp.add(offset as usize).cast::<u32>()) };
    let (waiting, backlog) = (number(layout::waiting()), number(layout::backlog()));
    if waiting > backlog { u64::from(backlog) + 1 } else { 0 }
}
