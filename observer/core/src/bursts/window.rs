//! A sliding window with one bucket per second. Empty buckets are not kept.

use std::collections::VecDeque;

use flow_model::flow::Phase;
use jiff::Timestamp;

/// Counts resets by phase. Resets of handshakes are refusals, and not counted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) established: u64,
    pub(super) orphan: u64,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    second: i64,
    first: Timestamp,
    counts: Counts,
}

/// Holds the last seconds.
#[derive(Clone, Debug)]
pub(super) struct Window {
    buckets: VecDeque<Bucket>,
    seconds: i64,
}

impl Counts {
    pub(super) fn total(self) -> u64 {
        self.established + self.orphan
    }

    pub(super) fn add(&mut self, phase: Phase) {
        match phase {
            Phase::Established => self.established += 1,
            Phase::Orphan => self.orphan += 1,
            Phase::Handshake => {}
        }
    }
}

impl Window {
    pub(super) fn new(seconds: i64) -> Self {
        Self { buckets: VecDeque::new(), seconds }
    }

    /// Adds a record to its second: records come a little out of order. Records older than the window are left out.
    pub(super) fn add(&mut self, at: Timestamp, phase: Phase) {
        let second = at.as_second();
        let newest = self.buckets.back().map_or(second, |bucket| bucket.second.max(second));
        if second <= newest - self.seconds {
            return;
        }
        while self.buckets.front().is_some_and(|bucket| bucket.second <= newest - self.seconds) {
            self.buckets.pop_front();
        }
        let place = self.buckets.partition_point(|bucket| bucket.second < second);
        if self.buckets.get(place).is_none_or(|bucket| bucket.second != second) {
            self.buckets.insert(place, Bucket { second, first: at, counts: Counts::default() });
        }
        if let Some(bucket) = self.buckets.get_mut(place) {
            bucket.counts.add(phase);
            bucket.first = bucket.first.min(at);
        }
    }

    /// Returns what is in the window that ends now.
    pub(super) fn counts(&self, now: Timestamp) -> Counts {
        let sum = |sum: Counts, bucket: &Bucket| Counts {
            established: sum.established + bucket.counts.established,
            orphan: sum.orphan + bucket.counts.orphan,
        };
        self.within(now).fold(Counts::default(), sum)
    }

    /// Returns when there began to be more than usual: the first second that holds clearly more than its share.
    pub(super) fn surge(&self, now: Timestamp, usual: f64) -> Option<Timestamp> {
        let share = usual / self.seconds.max(1) as f64;
        let more = |bucket: &&Bucket| bucket.counts.total() as f64 > 2.0 * share;
        let most = || self.within(now).max_by_key(|bucket| bucket.counts.total());
        self.within(now).find(more).or_else(most).map(|bucket| bucket.first)
    }

    pub(super) fn clear(&mut self) {
        self.buckets.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    fn within(&self, now: Timestamp) -> impl Iterator<Item = &Bucket> {
        let after = now.as_second().saturating_sub(self.seconds);
        self.buckets.iter().filter(move |bucket| bucket.second > after)
    }
}
