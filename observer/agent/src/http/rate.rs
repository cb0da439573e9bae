//! How often one client may ask for `/api`: an answer can cost milliseconds, and whoever may read could ask without end.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use lru::LruCache;
use parking_lot::Mutex;

use crate::http::answer::Failure;
use crate::http::limits::Client;
use crate::sink::metrics::{HttpCounters, Refused};

/// The paths that are limited. Prometheus and the kubelet ask for others.
const LIMITED: &str = "/api/";
/// Clients that are remembered. One that is forgotten begins with a whole burst.
const CLIENTS: NonZeroUsize = NonZeroUsize::new(1_024).unwrap();

/// Counts requests per client.
#[derive(Clone)]
pub(super) struct Rate {
    quota: Quota,
    clients: Arc<Mutex<LruCache<Client, DefaultDirectRateLimiter>>>,
    counters: HttpCounters,
}

impl Rate {
    pub(super) fn new(quota: Quota, counters: HttpCounters) -> Self {
        Self { quota, clients: Arc::new(Mutex::new(LruCache::new(CLIENTS))), counters }
    }

    /// Counts a request. Returns the time after which the client may ask again, if it asked too often.
    fn count(&self, client: Client) -> Result<(), Duration> {
        let mut clients = self.clients.lock();
        let own = clients.get_or_insert(client, || RateLimiter::direct(self.quota));
        own.check().map_err(|denied| denied.wait_time_from(DefaultClock::default().now()))
    }
}

/// Lets a request pass, or refuses it. It runs before tokens are checked.
pub(super) async fn limit(State(rate): State<Rate>, request: Request, next: Next) -> Response {
    let client = request.extensions().get::<Client>().copied();
    if let Some(client) = client.filter(|_| request.uri().path().starts_with(LIMITED))
        && let Err(wait) = rate.count(client)
    {
        rate.counters.refuse(Refused::Requests);
        return refusal(wait);
    }
    next.run(request).await
}

fn refusal(wait: Duration) -> Response {
    let seconds = wait.as_secs() + 1;
    let error = format!("too many requests come from your address; ask again in {seconds} s");
    let retry_after = [(RETRY_AFTER, seconds.to_string())];
    (retry_after, Failure::new(StatusCode::TOO_MANY_REQUESTS, error)).into_response()
}

#[cfg(test)]
mod tests;
