//! Tests of which claims of the map are reported beside those of records.

use observer_abi::{Announced, Kind};

use super::*;

const VIP: Address = [7; 16];
const S: u64 = 1_000_000_000;

fn mac(host: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, host]
}

fn entry(host: u8, newest_ns: u64) -> (Address, VipValue) {
    let newest = VipValue::claim(mac(host), Announced::Arp, false);
    (VIP, VipValue { newest, newest_ns, ..VipValue::default() })
}

fn reported(host: u8, time_ns: u64) -> HashMap<Address, Reported> {
    // Another kind of frame: that alone is no move.
    let claim = VipValue::claim(mac(host), Announced::GratuitousReply, true);
    HashMap::from([(VIP, Reported { claim, time_ns })])
}

#[test]
fn only_claims_that_no_record_reported_are_missed() {
    let cases = [
        ("nobody claimed it", HashMap::new(), (VIP, VipValue::default()), false),
        ("never reported", HashMap::new(), entry(1, 5 * S), true),
        ("reported", reported(1, 5 * S), entry(1, 5 * S), false),
        ("still there, not for long", reported(1, 5 * S), entry(1, 6 * S - 1), false),
        ("still there", reported(1, 5 * S), entry(1, 6 * S), true),
        ("moved at the same nanosecond", reported(1, 5 * S), entry(2, 5 * S), true),
        ("the ring was read since, and is ahead", reported(1, 5 * S), entry(2, 5 * S - 1), false),
    ];
    for (name, mut reported, entry, expect) in cases {
        assert_eq!(missed(&mut reported, &[entry]).len(), usize::from(expect), "{name}");
        assert_eq!(missed(&mut reported, &[entry]), [], "{name}: reported once");
    }
}

#[test]
fn an_address_that_is_no_vip_any_more_is_forgotten() {
    let mut reported = reported(1, S);
    assert_eq!(missed(&mut reported, &[]), []);
    assert!(reported.is_empty());
}

#[test]
fn a_record_overtaken_by_the_map_is_not_reported() {
    let mut reported = reported(1, 5 * S);
    let record = |host, time_ns| AnnouncementRecord {
        kind: Kind::Announcement,
        how: Announced::GratuitousRequest,
        outbound: false,
        _pad: [0; 5],
        time_ns,
        ip: VIP,
        mac: mac(host),
        _pad2: [0; 2],
    };
    assert!(!in_order(&mut reported, &record(2, 5 * S - 1)));
    assert_eq!(missed(&mut reported, &[entry(1, 5 * S)]), [], "and changes nothing");
    assert!(in_order(&mut reported, &record(2, 5 * S)));
    assert_eq!(missed(&mut reported, &[entry(2, 5 * S)]), []);
}
