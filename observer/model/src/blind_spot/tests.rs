//! What a blind spot explains.

use super::*;

#[test]
fn an_interface_explains_what_is_or_may_be_behind_it() {
    let (pod, other) = (IpAddr::from([10, 42, 0, 10]), IpAddr::from([10, 42, 0, 11]));
    let explains = |reason, addresses: &[IpAddr]| {
        let (place, why) = ("veth1".to_owned(), String::new());
        let spot = BlindSpot { reason, place, why, hides_pod: true, addresses: addresses.to_vec() };
        [pod, other].map(|ip| spot.explains(ip))
    };
    for reason in [BlindReason::InFront, BlindReason::Bypassed, BlindReason::Unfollowed] {
        assert_eq!(explains(reason, &[pod]), [true, false], "{reason}");
        assert_eq!(explains(reason, &[]), [true, true], "{reason}");
    }
    assert_eq!(explains(BlindReason::Counters, &[]), [true, true]);
    for reason in [BlindReason::Unwitnessed, BlindReason::NoUplink, BlindReason::EnforcerLog] {
        assert_eq!(explains(reason, &[pod]), [false, false], "{reason}");
    }
}
