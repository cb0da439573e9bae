use prometheus_client::metrics::counter::Counter;

use super::*;
use crate::otlp::queue::Lane;
use crate::otlp::testing::{Endpoint, status};
use crate::sink::metrics::OtlpCounters;

/// Returns a sender to an endpoint with these answers, and a queue with two records.
async fn sender(answers: &[String]) -> (Sender, Arc<Waiting>, Endpoint, CancellationToken) {
    let (endpoint, settings) = Endpoint::start(answers).await;
    let waiting = Arc::new(Waiting::new(1 << 20, OtlpCounters::new(Counter::default())));
    // Empty messages are valid records.
    waiting.push(Lane::Rare, vec![]);
    waiting.push(Lane::Frequent, vec![]);
    let cancel = CancellationToken::new();
    let exporter = Exporter::new(&settings).unwrap();
    let envelope = Envelope::new("node1", &[]);
    (Sender::new(exporter, envelope, Arc::clone(&waiting), cancel.clone()), waiting, endpoint, cancel)
}

fn counts(waiting: &Waiting) -> [u64; 4] {
    [OtlpResult::Delivered, OtlpResult::Rejected, OtlpResult::QueueFull, OtlpResult::Shutdown]
        .map(|result| waiting.counters.counted(result))
}

#[tokio::test]
async fn a_batch_is_sent_until_the_endpoint_takes_it() {
    let (sender, waiting, endpoint, _) =
        sender(&[status("503 x"), String::new(), status("429 x\r\nretry-after: 1")]).await;
    waiting.complete();
    sender.run().await;
    assert_eq!(counts(&waiting), [2, 0, 0, 0]);
    let records: Vec<usize> = endpoint.requests.lock().iter().map(|(_, records)| *records).collect();
    assert_eq!(records, [2, 2, 2, 2], "each request has the whole batch");
}

#[tokio::test]
async fn what_the_endpoint_refuses_is_counted() {
    let (sender, waiting, endpoint, _) = sender(&[status("400 x")]).await;
    waiting.complete();
    sender.run().await;
    assert_eq!((counts(&waiting), endpoint.requests.lock().len()), ([0, 2, 0, 0], 1));
}

#[tokio::test]
async fn what_is_left_at_the_end_is_counted() {
    let busy: Vec<String> = (0..100).map(|_| status("503 x\r\nretry-after: 100")).collect();
    let (sender, waiting, endpoint, cancel) = sender(&busy).await;
    let running = tokio::spawn(sender.run());
    while endpoint.requests.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    // A record that comes while the first batch is being sent.
    waiting.push(Lane::Rare, vec![]);
    cancel.cancel();
    running.await.unwrap();
    assert_eq!(counts(&waiting), [0, 0, 0, 3]);
    assert!(endpoint.requests.lock().len() > 1, "the end does not wait for the endpoint's time");
}

#[tokio::test]
async fn the_end_sends_what_waits() {
    let (sender, waiting, endpoint, cancel) = sender(&[status("503 x\r\nretry-after: 100")]).await;
    let running = tokio::spawn(sender.run());
    while endpoint.requests.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    cancel.cancel();
    waiting.complete();
    running.await.unwrap();
    assert_eq!(counts(&waiting), [2, 0, 0, 0]);
}
