//! What several kinds of rtnetlink messages share:
//! <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/rtnetlink.h>.

use std::net::IpAddr;

/// `RTM_NEWLINK`.
pub(super) const NEWLINK: u16 = 16;
/// `RTM_DELLINK`.
pub(super) const DELLINK: u16 = 17;
/// `RTM_GETLINK`.
pub(super) const GETLINK: u16 = 18;
/// `RTM_NEWADDR`.
pub(super) const NEWADDR: u16 = 20;
/// `RTM_DELADDR`.
pub(super) const DELADDR: u16 = 21;
/// `RTM_GETADDR`.
pub(super) const GETADDR: u16 = 22;
/// The families of addresses.
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;
/// `sizeof(struct ifinfomsg)`.
pub(super) const IFINFOMSG: usize = 16;
/// `sizeof(struct ifaddrmsg)`.
pub(super) const IFADDRMSG: usize = 8;

/// Returns the family of an address, and its bytes.
pub(super) fn octets(ip: IpAddr) -> (u8, Vec<u8>) {
    match ip {
        IpAddr::V4(ip) => (AF_INET, ip.octets().to_vec()),
        IpAddr::V6(ip) => (AF_INET6, ip.octets().to_vec()),
    }
}
