use prometheus_client::metrics::counter::Counter;

use super::*;

fn waiting(bytes: usize) -> Waiting {
    Waiting::new(bytes, OtlpCounters::new(Counter::default()))
}

fn record(byte: u8, len: usize) -> Vec<u8> {
    vec![byte; len]
}

#[tokio::test]
async fn what_does_not_fit_is_counted_and_the_oldest_stay() {
    let waiting = waiting(8 * 1_000);
    // 7,000 bytes are for frequent records, of which each costs 64 more.
    for n in 0..10 {
        waiting.push(Lane::Frequent, record(n, 936));
    }
    assert_eq!(waiting.counters.counted(OtlpResult::QueueFull), 3);
    assert_eq!(waiting.counters.queue_bytes.get(), 7_000);
    assert_eq!(waiting.counters.limit_bytes.get(), 8_000);
    waiting.push(Lane::Rare, record(99, 100));
    assert_eq!(waiting.counters.counted(OtlpResult::QueueFull), 3, "rare records have room");
    waiting.complete();
    let batch = waiting.batch().await.unwrap();
    assert_eq!(batch.iter().map(|record| record[0]).collect::<Vec<_>>(), [99, 0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(waiting.counters.queue_bytes.get(), 0);
    assert_eq!(waiting.batch().await, None);
}

#[tokio::test]
async fn a_batch_is_bounded_and_the_rest_comes_next() {
    let waiting = waiting(4 << 20);
    for _ in 0..300 {
        waiting.push(Lane::Frequent, record(1, 1_024));
    }
    waiting.complete();
    let sizes = [waiting.batch().await.unwrap().len(), waiting.batch().await.unwrap().len()];
    assert_eq!(sizes, [256, 44]);
}

#[test]
fn nothing_waits_after_the_end() {
    let waiting = waiting(1 << 20);
    waiting.push(Lane::Frequent, record(1, 10));
    waiting.push(Lane::Rare, record(1, 10));
    assert_eq!(waiting.close(), 2);
    waiting.push(Lane::Rare, record(1, 10));
    assert_eq!(waiting.counters.counted(OtlpResult::Shutdown), 1);
    assert_eq!(waiting.counters.queue_bytes.get(), 0);
}
