//! The task that sends what waits, and repeats what may succeed later.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::otlp::batch::{Envelope, gzip};
use crate::otlp::export::{Answer, Exporter};
use crate::otlp::queue::Waiting;
use crate::sink::metrics::{OtlpRequest, OtlpResult};

/// The first wait, without its random part, and the longest one.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// After the signal to end, requests are repeated this soon, until the time is over.
const HURRIED: Duration = Duration::from_millis(100);
const LAST: Duration = Duration::from_millis(1_200);

/// Sends batches until nothing waits and nothing will.
#[derive(Debug)]
pub(super) struct Sender {
    exporter: Exporter,
    envelope: Envelope,
    waiting: Arc<Waiting>,
    cancel: CancellationToken,
    /// What was logged last, so that an outage is logged once.
    trouble: Option<String>,
    /// The records of the batch that is being sent.
    in_flight: Arc<AtomicUsize>,
}

impl Sender {
    pub(super) fn new(
        exporter: Exporter,
        envelope: Envelope,
        waiting: Arc<Waiting>,
        cancel: CancellationToken,
    ) -> Self {
        Self { exporter, envelope, waiting, cancel, trouble: None, in_flight: Arc::default() }
    }

    /// Runs until all is sent, or a while after the signal to end. What is left then is counted as lost.
    pub(super) async fn run(self) {
        let (waiting, cancel, in_flight) =
            (Arc::clone(&self.waiting), self.cancel.clone(), Arc::clone(&self.in_flight));
        tokio::select! {
            () = self.work() => {}
            () = async { cancel.cancelled().await; sleep(LAST).await } => {}
        }
        let left = waiting.close() + in_flight.load(Ordering::Relaxed);
        if left > 0 {
            waiting.counters.count(OtlpResult::Shutdown, as_u64(left));
            warn!("{left} records of the history were not delivered before the agent's end");
        }
    }

    async fn work(mut self) {
        while let Some(batch) = self.waiting.batch().await {
            self.in_flight.store(batch.len(), Ordering::Relaxed);
            match gzip(&self.envelope.request(&batch)) {
                Ok(body) => self.deliver(as_u64(batch.len()), body).await,
                Err(error) => {
                    error!(%error, "records of the history could not be compressed");
                    self.waiting.counters.count(OtlpResult::Rejected, as_u64(batch.len()));
                }
            }
            self.in_flight.store(0, Ordering::Relaxed);
        }
    }

    /// Repeats the request until the endpoint takes it, or refuses it for good.
    async fn deliver(&mut self, records: u64, body: Bytes) {
        let mut backoff = backoff();
        loop {
            match self.exporter.post(body.clone()).await {
                Answer::Accepted { rejected, why } => return self.accepted(records, rejected, &why),
                Answer::Refused { why } => return self.refused(records, &why),
                Answer::Later { why, after } => {
                    self.waiting.counters.request(OtlpRequest::Failed);
                    self.warn(format!("{why}; they wait, and are sent again"));
                    let wait = backoff.next().unwrap_or(LONGEST);
                    self.pause(after.map_or(wait, |after| after.max(wait))).await;
                }
            }
        }
    }

    /// Waits, but not for long once the agent ends.
    async fn pause(&self, wait: Duration) {
        if self.cancel.is_cancelled() {
            sleep(HURRIED).await;
        } else {
            timeout(wait, self.cancel.cancelled()).await.ok();
        }
    }

    fn accepted(&mut self, records: u64, rejected: u64, why: &str) {
        let rejected = rejected.min(records);
        self.waiting.counters.request(OtlpRequest::Ok);
        self.waiting.counters.count(OtlpResult::Delivered, records - rejected);
        self.waiting.counters.count(OtlpResult::Rejected, rejected);
        if rejected > 0 {
            self.warn(format!("the endpoint rejects some of them: {why}"));
        } else if self.trouble.take().is_some() {
            info!(endpoint = self.exporter.url(), "records of the history are delivered again");
        }
    }

    fn refused(&mut self, records: u64, why: &str) {
        self.waiting.counters.request(OtlpRequest::Refused);
        self.waiting.counters.count(OtlpResult::Rejected, records);
        self.warn(format!("the endpoint refuses them for good: {why}"));
    }

    /// Logs a trouble, unless it is the last one still.
    fn warn(&mut self, why: String) {
        if self.trouble.as_ref() != Some(&why) {
            warn!(endpoint = self.exporter.url(), "records of the history are not delivered: {why}");
            self.trouble = Some(why);
        }
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .without_max_times()
        .with_jitter()
        .build()
}

fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
