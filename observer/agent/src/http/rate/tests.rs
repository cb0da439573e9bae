use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU32;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn client(n: u8) -> Client {
    Client::new(IpAddr::V4(Ipv4Addr::new(10, 42, 0, n)))
}

#[test]
fn each_client_has_a_burst_of_its_own() {
    let quota = Quota::with_period(HOUR).unwrap().allow_burst(NonZeroU32::new(3).unwrap());
    let rate = Rate::new(quota, HttpCounters::default());
    for _ in 0..3 {
        assert_eq!(rate.count(client(1)), Ok(()));
    }
    let wait = rate.count(client(1)).unwrap_err();
    assert!(wait <= HOUR && wait > HOUR / 2, "{wait:?}");
    assert_eq!(rate.count(client(2)), Ok(()));
}

#[test]
fn the_answer_tells_when_to_ask_again_in_whole_seconds() {
    for (wait, told) in [(Duration::from_millis(10), "1"), (Duration::from_millis(1_001), "2")] {
        let response = refusal(wait);
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[RETRY_AFTER], told);
    }
}
