use std::time::Duration;

use super::*;

#[test]
fn answers_expire_and_the_oldest_give_way() {
    let marker = Marker::new().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|token| marker.mark(&[token.as_bytes()]));
    let mut cache = Cache::new(NonZeroUsize::new(2).unwrap());
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    cache.put(a, 1, at(10));
    cache.put(b, 2, at(10));
    assert_eq!((cache.get(&a, at(9)), cache.get(&a, at(10))), (Some(1), None));
    cache.put(a, 1, at(20));
    cache.put(c, 3, at(20));
    assert_eq!([a, b, c].map(|mark| cache.get(&mark, at(5))), [Some(1), None, Some(3)]);
    assert_eq!(cache.answers.len(), 2);
}

#[test]
fn marks_keep_parts_apart_and_are_of_this_run() {
    let (marker, other) = (Marker::new().unwrap(), Marker::new().unwrap());
    let mark = marker.mark(&[b"ab", b"c"]);
    assert!(mark == marker.mark(&[b"ab", b"c"]));
    assert!(mark != marker.mark(&[b"a", b"bc"]));
    assert!(mark != other.mark(&[b"ab", b"c"]));
}
