//! Reads what is attached to an interface for traffic control: who else holds the place of our programs, and who runs
//! before them.
//!
//! Layout: `struct tcmsg` and its attributes,
//! <https://github.com/torvalds/linux/blob/v5.10/include/uapi/linux/rtnetlink.h>.

use nix::sys::socket::SockProtocol;

use crate::netlink::error::NetlinkError;
use crate::netlink::socket::Socket;
use crate::netlink::wire::{attribute, text, u32_at};

const RTM_NEWQDISC: u16 = 36;
const RTM_GETQDISC: u16 = 38;
const RTM_NEWTFILTER: u16 = 44;
const RTM_GETTFILTER: u16 = 46;
/// `sizeof(struct tcmsg)`: family and padding, ifindex, handle, parent, info.
const TCMSG: usize = 20;
const TCA_KIND: u16 = 1;
const TCA_OPTIONS: u16 = 2;
const TCA_BPF_NAME: u16 = 7;
/// `TC_H_INGRESS` and `TC_H_CLSACT`, which have the same value: a device has one of the two.
const CLSACT: u32 = 0xffff_fff1;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS)`.
const INGRESS: u32 = 0xffff_fff2;
/// `TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS)`.
const EGRESS: u32 = 0xffff_fff3;

/// A filter on a clsact qdisc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Kind, such as `bpf` or `flower`.
    pub kind: String,
    /// Name of its program, for a `bpf` filter that has one.
    pub program: Option<String>,
}

/// The qdisc and the filters of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficControl {
    /// Kind of the qdisc in the place of clsact: `clsact`, `ingress`, or none.
    pub qdisc: Option<String>,
    /// Filters of the ingress and of the egress, each in the order in which they run.
    pub filters: [Vec<Filter>; 2],
}

impl TrafficControl {
    /// Reads them from the kernel.
    ///
    /// # Errors
    /// Fails when netlink can't be opened or does not answer.
    pub async fn read(ifindex: u32) -> Result<Self, NetlinkError> {
        let mut socket = Socket::open(SockProtocol::NetlinkRoute)?;
        let qdisc = |kind, body: &[u8]| (kind == RTM_NEWQDISC).then(|| qdisc(body, ifindex)).flatten();
        let mut found = socket.dump("qdiscs", RTM_GETQDISC, &message(ifindex, 0), qdisc).await?;
        let qdisc = found.pop();
        let mut filters = [Vec::new(), Vec::new()];
        if qdisc.as_deref() == Some("clsact") {
            for (parent, into) in [INGRESS, EGRESS].into_iter().zip(&mut filters) {
                let filter = |kind, body: &[u8]| (kind == RTM_NEWTFILTER).then(|| filter(body)).flatten();
                *into = socket.dump("filters", RTM_GETTFILTER, &message(ifindex, parent), filter).await?;
            }
        }
        Ok(Self { qdisc, filters })
    }
}

fn message(ifindex: u32, parent: u32) -> Vec<u8> {
    [0, ifindex, 0, parent, 0].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn qdisc(body: &[u8], ifindex: u32) -> Option<String> {
    let place = (u32_at(body, 4)?, u32_at(body, 12)?);
    let kind = text(attribute(body.get(TCMSG..)?, TCA_KIND)?);
    (place == (ifindex, CLSACT)).then_some(kind)
}

/// Decodes a filter. The kernel also lists each priority by itself, without a handle; those are left out.
fn filter(body: &[u8]) -> Option<Filter> {
    if u32_at(body, 8)? == 0 {
        return None;
    }
    let attributes = body.get(TCMSG..)?;
    let program = attribute(attributes, TCA_OPTIONS).and_then(|options| attribute(options, TCA_BPF_NAME));
    Some(Filter { kind: text(attribute(attributes, TCA_KIND)?), program: program.map(text) })
}

#[cfg(test)]
mod tests;
