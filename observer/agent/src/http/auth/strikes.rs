//! Counts invalid tokens per client, because each costs the API server a review. The caller passes the time.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::http::limits::Client;

/// Invalid tokens that one client may send within the window.
const STRIKES: u32 = 30;
const WINDOW: Duration = Duration::from_secs(10);
const CLIENTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Invalid tokens per client.
pub(super) struct Strikes {
    clients: LruCache<Client, (Instant, u32)>,
}

impl Strikes {
    pub(super) fn new() -> Self {
        Self { clients: LruCache::new(CLIENTS) }
    }

    pub(super) fn is_out(&mut self, client: Client, now: Instant) -> bool {
        let strikes = self.clients.get(&client);
        strikes.is_some_and(|(since, count)| *count >= STRIKES && now < *since + WINDOW)
    }

    pub(super) fn add(&mut self, client: Client, now: Instant) {
        let (since, count) = self.clients.get_or_insert_mut(client, || (now, 0));
        if now >= *since + WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
    }
}

#[cfg(test)]
mod tests;
