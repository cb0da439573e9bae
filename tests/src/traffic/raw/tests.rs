use super::*;

#[test]
fn a_checksummed_packet_sums_to_zero() {
    for (from, to) in [("10.42.1.10:4000", "10.42.1.11:80"), ("[fd42:1::a]:4000", "[fd42:1::b]:80")] {
        let packet = Packet::syn(from.parse().unwrap(), to.parse().unwrap(), 77);
        let bytes = packet.bytes();
        let covered = [pseudo_header(packet.from.ip(), packet.to.ip(), 20), bytes].concat();
        assert_eq!(checksum(&covered), 0);
    }
}
