//! Kernel programs. `tc` classifies packets, `tracker`, `icmp` and `reset` follow handshakes and connections,
//! `announce` notes who claims a VIP, `drops` reports freed packets, `netns` finds out whose they are, `reset_reasons`
//! notes why TCP sent a RST, `listeners` which SYNs met a full accept queue, `established` decides which successes have
//! records of their own, `sockets` asks the sockets themselves, and `emit` writes records into the ring.
#![expect(unsafe_code, reason = "helpers, map values and kernel memory are raw pointers here")]

mod announce;
mod drops;
mod emit;
mod established;
mod handshakes;
mod icmp;
mod listeners;
mod netns;
mod packet;
mod reset;
mod reset_reasons;
mod segment;
mod settings;
mod sockets;
mod tables;
mod tc;
mod tracker;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
