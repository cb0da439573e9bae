//! Limits for one client, and for all together.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::Quota;
use parking_lot::Mutex;

/// Size of a request's line and headers, in bytes. Tokens of identity providers that list groups take ten KiB and more.
pub(super) const MAX_HEAD: usize = 32 << 10;

/// A client that asks anew all the time, for one answer after the other, gets this far.
const PACE: Quota =
    Quota::per_second(NonZeroU32::new(50).unwrap()).allow_burst(NonZeroU32::new(500).unwrap());

/// Bounds of the server. The duration of a request has none: a tail may run for hours.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time. Beyond it new ones are closed at once: an answer would cost what the limit saves.
    pub connections: usize,
    /// Connections from one address at one time, so that no client takes all.
    pub connections_per_client: usize,
    /// Streams of the tail to one address. The tail limits their total.
    pub streams_per_client: usize,
    /// Requests for `/api` from one address.
    pub pace: Quota,
    /// Time for the TLS handshake.
    pub handshake: Duration,
    /// Time for a request's line and headers, and between two requests. Longer than the usual interval of scrapes.
    pub head: Duration,
    /// Time for a request's body.
    pub body: Duration,
    /// Time after which a client that doesn't read or acknowledge its answer is disconnected.
    pub stalled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_client: 64,
            streams_per_client: 32,
            pace: PACE,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            body: Duration::from_secs(20),
            stalled: Duration::from_secs(300),
        }
    }
}

/// The address that a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(pub(super) IpAddr);

impl Client {
    pub(super) fn new(address: IpAddr) -> Self {
        // A listener on [::] sees IPv4 clients in IPv6 form.
        Self(address.to_canonical())
    }
}

/// Counts places that clients take and return.
#[derive(Clone, Debug)]
pub(super) struct Places {
    limit: usize,
    limit_per_client: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_client: HashMap<Client, usize>,
}

/// A place that is taken. Dropping it returns it.
#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    taken: Arc<Mutex<Taken>>,
}

/// The limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    OfClient,
}

impl Places {
    pub(super) fn new(limit: usize, limit_per_client: usize) -> Self {
        Self { limit, limit_per_client, taken: Arc::default() }
    }

    pub(super) fn take(&self, client: Client) -> Result<Place, Full> {
        let mut taken = self.taken.lock();
        let own = taken.by_client.get(&client).copied().unwrap_or_default();
        if own >= self.limit_per_client {
            return Err(Full::OfClient);
        }
        if taken.all >= self.limit {
            return Err(Full::All);
        }
        taken.all += 1;
        taken.by_client.insert(client, own + 1);
        Ok(Place { client, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_client.get_mut(&self.client) {
            *own -= 1;
            if *own == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests;
