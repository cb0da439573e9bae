//! Names for what is in packets.

use arcstr::{ArcStr, literal};
use flow_model::flow::Outcome;
use flow_model::input::AttemptSeen;

const TCP: u8 = 6;
const UDP: u8 = 17;
const FLAGS: [(u8, &str); 6] =
    [(0x02, "SYN"), (0x10, "ACK"), (0x01, "FIN"), (0x04, "RST"), (0x08, "PSH"), (0x20, "URG")];

/// Returns the name of what ended an attempt. ICMP names are those of iptables' `--reject-with`, where iptables has
/// one.
pub(super) fn of_attempt(seen: &AttemptSeen) -> Option<ArcStr> {
    match seen.outcome {
        Outcome::Established => Some(literal!("syn-ack")),
        Outcome::Refused => Some(literal!("rst")),
        Outcome::Rejected => seen.icmp.map(|(kind, code)| icmp(seen.tuple.dst.is_ipv6(), kind, code)),
        Outcome::Unanswered => None,
    }
}

/// Returns the name of an ICMP error. Codes: <https://www.iana.org/assignments/icmp-parameters> and
/// <https://www.iana.org/assignments/icmpv6-parameters>.
fn icmp(v6: bool, kind: u8, code: u8) -> ArcStr {
    match (v6, kind, code) {
        (false, 3, 0) => literal!("icmp-net-unreachable"),
        (false, 3, 1) => literal!("icmp-host-unreachable"),
        (false, 3, 2) => literal!("icmp-proto-unreachable"),
        (false, 3, 3) => literal!("icmp-port-unreachable"),
        (false, 3, 9) => literal!("icmp-net-prohibited"),
        (false, 3, 10) => literal!("icmp-host-prohibited"),
        (false, 3, 13) => literal!("icmp-admin-prohibited"),
        (true, 1, 0) => literal!("icmp6-no-route"),
        (true, 1, 1) => literal!("icmp6-adm-prohibited"),
        (true, 1, 3) => literal!("icmp6-addr-unreachable"),
        (true, 1, 4) => literal!("icmp6-port-unreachable"),
        (true, 1, 5) => literal!("icmp6-policy-fail"),
        (true, 1, 6) => literal!("icmp6-reject-route"),
        (false, kind, code) => arcstr::format!("icmp-{kind}-{code}"),
        (true, kind, code) => arcstr::format!("icmp6-{kind}-{code}"),
    }
}

/// Is true for a segment that asks for a connection.
pub(super) fn is_syn(protocol: u8, flags: u8) -> bool {
    protocol == TCP && flags & 0x12 == 0x02
}

/// Returns the name of an IP protocol.
pub(super) fn protocol(number: u8) -> ArcStr {
    match number {
        TCP => literal!("TCP"),
        UDP => literal!("UDP"),
        other => arcstr::format!("{other}"),
    }
}

/// Returns the names of TCP flags, as in `SYN|ACK`; `None` for other protocols.
pub(super) fn flags(protocol: u8, flags: u8) -> Option<ArcStr> {
    if protocol != TCP {
        return None;
    }
    let set: Vec<&str> = FLAGS.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect();
    Some(ArcStr::from(set.join("|")))
}
