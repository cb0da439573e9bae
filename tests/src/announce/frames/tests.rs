use super::*;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

#[test]
fn arp_says_what_the_rfc_says() {
    let frame = gratuitous_request(Ipv4Addr::new(10, 0, 20, 200), MAC);
    assert_eq!(frame.len(), 60);
    assert_eq!(frame[12..22], [8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    assert_eq!(frame[22..32], [2, 0, 0, 0, 0, 9, 10, 0, 20, 200]);
    assert_eq!(frame[38..42], [10, 0, 20, 200], "sender and target are the same");
}

#[test]
fn an_advertisement_sums_to_zero() {
    let ip: Ipv6Addr = "fd20::c8".parse().unwrap();
    let frame = advertisement(ip, MAC);
    let packet = &frame[14..];
    let covered = [&packet[8..40], &[0, 0, 0, 32, 0, 0, 0, 58], &packet[40..]].concat();
    assert_eq!(checksum(&covered), 0);
    assert_eq!(packet[48..64], ip.octets());
    assert_eq!(packet[64..72], [2, 1, 2, 0, 0, 0, 0, 9]);
    assert_eq!(link_local(MAC), "fe80::ff:fe00:9".parse::<Ipv6Addr>().unwrap());
}
