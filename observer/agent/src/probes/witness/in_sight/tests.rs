//! How long an address is in sight.

use std::time::Duration;

use super::*;

const POD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 42, 0, 10));

#[test]
fn an_address_is_in_sight_since_its_interface_was_followed() {
    let (pods, begin) = (InSight::default(), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    let behind = |ifindex: u32| [(POD, ifindex, format!("veth{ifindex}"))];
    assert!(!pods.is_since(POD, at(100)) && pods.interface(POD).is_none());
    pods.set(behind(7), at(0));
    pods.set(behind(7), at(10));
    assert!(pods.is_since(POD, at(0)));
    assert_eq!(pods.interface(POD).as_deref(), Some("veth7"));
    // Another pod has the address now.
    pods.set(behind(8), at(20));
    assert!(!pods.is_since(POD, at(19)) && pods.is_since(POD, at(20)));
    // The programs were not there for a while.
    pods.lose(7);
    assert!(pods.is_since(POD, at(20)));
    pods.lose(8);
    pods.set(behind(8), at(30));
    assert!(!pods.is_since(POD, at(29)));
    pods.set([], at(40));
    assert!(!pods.is_since(POD, at(50)));
}
