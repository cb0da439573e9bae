//! A tracked connection.

use std::net::IpAddr;

/// Describes a tracked TCP connection, as each side addresses it. The two views differ if there is NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conn {
    /// The side that opened it.
    pub orig_src: IpAddr,
    /// The other side's address, as the opener addressed it, e.g. a ClusterIP.
    pub orig_dst: IpAddr,
    /// The opener's port.
    pub orig_sport: u16,
    /// The other side's port, as the opener addressed it.
    pub orig_dport: u16,
    /// The address that answers: after DNAT the backend.
    pub reply_src: IpAddr,
    /// The address that the answer goes to: after masquerading the node.
    pub reply_dst: IpAddr,
    /// The answering port.
    pub reply_sport: u16,
    /// The port that the answer goes to.
    pub reply_dport: u16,
    /// Its state.
    pub state: State,
    /// Conntrack saw its SYN, in the zone of packets that no rule gives another. It also takes up connections that it
    /// meets in the middle, and may then take the server for the opener.
    pub from_syn: bool,
}

impl Conn {
    /// Returns address and port after DNAT, if there was DNAT.
    #[must_use]
    pub fn backend(&self) -> Option<(IpAddr, u16)> {
        let backend = (self.reply_src, self.reply_sport);
        (backend != (self.orig_dst, self.orig_dport)).then_some(backend)
    }
}

/// The state of a tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A SYN without an answer yet.
    Opening,
    /// A SYN-ACK that the client has not acknowledged yet.
    Answered,
    /// Both sides may send.
    Established,
    /// One side has sent its FIN.
    Closing,
    /// It has ended; the entry is about to expire.
    Closed,
}
