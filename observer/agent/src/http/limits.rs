//! What one client, and all of them, may take.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Of a request's line and headers. Tokens of identity providers that list groups take ten KiB and more.
pub(super) const MAX_HEAD: usize = 32 << 10;

/// Bounds of the server. There is none on how long a request takes: a tail goes on for hours.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at one time. Past it new ones are closed at once: an answer would cost what the limit saves.
    pub connections: usize,
    /// Of these, from one address, so that no single client takes all.
    pub connections_per_client: usize,
    /// Streams of the tail from one address; how many there are in all is the tail's limit.
    pub streams_per_client: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For a request's line and headers, and between two requests. Longer than the usual interval of scrapes.
    pub head: Duration,
    /// For a request's body.
    pub body: Duration,
    /// A client that takes nothing of its answer, or does not acknowledge it, for so long is gone.
    pub stalled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            connections_per_client: 64,
            streams_per_client: 32,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            body: Duration::from_secs(20),
            stalled: Duration::from_secs(300),
        }
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(pub(super) IpAddr);

impl Client {
    pub(super) fn new(address: IpAddr) -> Self {
        // A listener on [::] sees IPv4 clients in IPv6 form.
        Self(address.to_canonical())
    }
}

/// Places that clients take and give back.
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

/// A place taken; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Place {
    client: Client,
    taken: Arc<Mutex<Taken>>,
}

/// Whose limit is reached.
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
mod tests {
    use super::*;

    #[test]
    fn places_are_shared_and_come_back() {
        let client = |last| Client::new([10, 0, 0, last].into());
        let places = Places::new(3, 2);
        let first = places.take(client(1)).unwrap();
        let second = places.take(client(1)).unwrap();
        assert_eq!(places.take(client(1)).unwrap_err(), Full::OfClient);
        let third = places.take(client(2)).unwrap();
        assert_eq!(places.take(client(3)).unwrap_err(), Full::All);
        drop(first);
        let fourth = places.take(client(3)).unwrap();
        drop((second, third, fourth));
        assert!(places.taken.lock().by_client.is_empty(), "clients that are gone take no memory");
    }

    #[test]
    fn an_ipv4_client_is_the_same_on_a_listener_of_both_families() {
        let mapped: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(Client::new(mapped), Client::new([10, 0, 0, 1].into()));
    }
}
