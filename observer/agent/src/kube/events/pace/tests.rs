use super::*;

#[test]
fn a_burst_then_one_each_interval() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut bucket = Bucket::new((3, Duration::from_secs(10)), start);
    let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
    assert_eq!(taken(&mut bucket, at(0)), 3);
    assert_eq!(bucket.ready_at(at(1), 0), at(10));
    assert_eq!(taken(&mut bucket, at(9)), 0);
    assert_eq!(bucket.ready_at(at(12), 0), at(12));
    assert_eq!(taken(&mut bucket, at(12)), 1);
    // What had passed of the next interval is not lost.
    assert_eq!(taken(&mut bucket, at(20)), 1);
    assert_eq!(taken(&mut bucket, at(100_000)), 3);
    assert_eq!(taken(&mut bucket, at(100_009)), 0);
}

#[test]
fn a_reserve_waits_for_more_tokens() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut bucket = Bucket::new((4, Duration::from_secs(10)), start);
    assert_eq!((bucket.reserve(), bucket.ready_at(at(0), 2)), (2, at(0)));
    assert!(bucket.take(at(0)) && bucket.take(at(0)));
    assert_eq!((bucket.ready_at(at(0), 0), bucket.ready_at(at(0), 2)), (at(0), at(10)));
    assert!(bucket.take(at(0)) && bucket.take(at(0)));
    assert_eq!((bucket.ready_at(at(0), 0), bucket.ready_at(at(0), 2)), (at(10), at(30)));
    let single = Bucket::new((1, Duration::from_secs(10)), start);
    assert_eq!((single.reserve(), single.ready_at(at(0), 5)), (0, at(0)), "never more than the burst");
}
