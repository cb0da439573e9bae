use super::*;

#[test]
fn a_burst_then_one_each_interval() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut bucket = Bucket::new((3, Duration::from_secs(10)), start);
    let taken = |bucket: &mut Bucket, now| (0..100).filter(|_| bucket.take(now)).count();
    assert_eq!(taken(&mut bucket, at(0)), 3);
    assert_eq!(bucket.ready_at(at(1)), at(10));
    assert_eq!(taken(&mut bucket, at(9)), 0);
    assert_eq!(bucket.ready_at(at(12)), at(12));
    assert_eq!(taken(&mut bucket, at(12)), 1);
    // What had passed of the next interval is not lost.
    assert_eq!(taken(&mut bucket, at(20)), 1);
    assert_eq!(taken(&mut bucket, at(100_000)), 3);
    assert_eq!(taken(&mut bucket, at(100_009)), 0);
}
