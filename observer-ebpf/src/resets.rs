//! What the probe of sent resets needs to find out which RST a reason is about.

/// Holds the offsets (bytes) of what the program reads: of a connection's `struct tcp_sock` where TCP ends it, and of the
/// `struct sk_buff` that a RST replies to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResetLayout {
    /// `tcp_sock.rcv_nxt`.
    pub rcv_nxt: u32,
    /// `tcp_sock.snd_nxt`.
    pub snd_nxt: u32,
    /// `tcp_sock.snd_una`.
    pub snd_una: u32,
    /// `tcp_sock.snd_wnd`.
    pub snd_wnd: u32,
    /// `sk_buff.head`.
    pub head: u32,
    /// `sk_buff.transport_header`.
    pub transport_header: u32,
    /// `sk_buff.len`.
    pub len: u32,
}

const _: () = assert!(size_of::<ResetLayout>() == 28);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]

    // SAFETY: repr(C), Copy, only integers, and the assert above shows that there is no padding.
    unsafe impl aya::Pod for super::ResetLayout {}
}
