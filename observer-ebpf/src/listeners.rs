//! What the classifiers need to see whether a server's accept queue is full.

/// Holds the offsets (bytes) of two numbers in `struct sock`, which begins a `struct tcp_sock`. Both are 0 where the kernel's
/// types are not known; then nothing is read.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerLayout {
    /// `sock.sk_ack_backlog`: connections that wait to be accepted.
    pub waiting: u32,
    /// `sock.sk_max_ack_backlog`: the backlog that the program chose, at most `net.core.somaxconn`.
    pub backlog: u32,
}

const _: () = assert!(size_of::<ListenerLayout>() == 8);

#[cfg(feature = "user")]
mod pod {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]

    // SAFETY: repr(C), Copy, only integers, and the assert above shows that there is no padding.
    unsafe impl aya::Pod for super::ListenerLayout {}
}
