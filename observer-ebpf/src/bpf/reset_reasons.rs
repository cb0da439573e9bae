//! `tcp:tcp_send_reset` as a raw tracepoint: the resets that TCP sends, with its reason.
//!
//! Since 6.10 its arguments are (socket, packet, reason), and it fires for every RST; userspace finds this out through BTF
//! and loads the program only there. TCP announces the RST that replies to a packet before it sends it
//! (`tcp_v4_send_reset`), with that packet. It announces the one that ends a connection after it has sent it
//! (`tcp_send_active_reset`), without a packet. Both as in
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_ipv4.c> and
//! <https://github.com/torvalds/linux/blob/v6.12/net/ipv4/tcp_output.c>.

use aya_ebpf::macros::raw_tracepoint;
use aya_ebpf::programs::RawTracePointContext;
use observer_abi::{ResetReason, mark, resets_sent};

use super::drops::{argument, read};
use super::emit;
use super::packet::{ACK, FIN, SYN};
use super::settings::resets as layout;
use super::tables::{ANY, RESET_REASONS, count_sent};

#[raw_tracepoint(tracepoint = "tcp_send_reset")]
pub(super) fn flow_obs_resets(ctx: RawTracePointContext) -> i32 {
    let (socket, packet, reason) = (argument::<0>(&ctx), argument::<1>(&ctx), argument::<2>(&ctx) as u32);
    count_sent(resets_sent::ANNOUNCED);
    let noted = if packet != 0 { replied(packet, reason) } else { ended(socket, reason) };
    if noted.is_none() {
        count_sent(resets_sent::FAILED);
    }
    0
}

/// Notes a RST that replies to a packet, whose TCP header comes first in its data.
#[inline(always)]
fn replied(packet: u64, reason: u32) -> Option<()> {
    let head: u64 = read(packet + layout::head())?;
    let offset: u16 = read(packet + layout::transport_header())?;
    let tcp: [u8; 14] = read(head + u64::from(offset))?;
    let word = |at: usize| u32::from_be_bytes([tcp[at], tcp[at + 1], tcp[at + 2], tcp[at + 3]]);
    let flags = tcp[13];
    if flags & ACK != 0 {
        return note(mark(word(8), 0), reason);
    }
    // Everything that the packet sends is acknowledged. SYN and FIN count as one byte each.
    let len: u32 = read(packet + layout::len())?;
    let header = u32::from(tcp[12] >> 4) * 4;
    let controls = u32::from(flags & FIN) + u32::from((flags & SYN) >> 1);
    note(mark(0, word(4).wrapping_add(controls).wrapping_add(len).wrapping_sub(header)), reason)
}

/// Notes a RST that ends a connection. Its sequence number is the next one to be sent, or the end of the peer's window
/// if that comes first (`tcp_acceptable_seq`): both are noted, as which one is taken depends on the scale of windows too.
#[inline(always)]
fn ended(socket: u64, reason: u32) -> Option<()> {
    let acknowledged: u32 = read(socket + layout::rcv_nxt())?;
    let next: u32 = read(socket + layout::snd_nxt())?;
    note(mark(next, acknowledged), reason)?;
    let oldest: u32 = read(socket + layout::snd_una())?;
    let window: u32 = read(socket + layout::snd_wnd())?;
    let end = oldest.wrapping_add(window);
    if (end.wrapping_sub(next) as i32) < 0 {
        note(mark(end, acknowledged), reason)?;
    }
    Some(())
}

#[inline(always)]
fn note(mark: u64, reason: u32) -> Option<()> {
    let entry = ResetReason { time_ns: emit::now(), reason, _pad: [0; 4] };
    RESET_REASONS.insert(&mark, &entry, ANY).ok()
}
