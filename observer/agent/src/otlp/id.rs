//! Ids of events. What two nodes see of one event has one id, as far as both see the same of it.

use std::net::IpAddr;

use flow_model::record::Endpoint;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};

/// Makes an id of parts: the first half of the digits of their hash. 64 bits are enough to tell apart what happens in a year.
pub(super) struct Id(Context);

impl Id {
    /// Begins with the kind of the event.
    pub(super) fn new(kind: &str) -> Self {
        Self(Context::new(&SHA256)).text(kind)
    }

    pub(super) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(super) fn number(self, number: i64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(super) fn ip(self, ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(v4) => self.bytes(&v4.octets()),
            IpAddr::V6(v6) => self.bytes(&v6.octets()),
        }
    }

    /// Adds the minute of an event, where nothing else tells it from a similar one before. Two nodes agree on it unless the
    /// minute ends between their sightings.
    pub(super) fn minute(self, time: Timestamp) -> Self {
        self.number(time.as_second().div_euclid(60))
    }

    /// Adds both sides of a flow, as the server's node sees them too: the backend's address instead of the Service's.
    pub(super) fn flow(self, src: &Endpoint, dst: &Endpoint) -> Self {
        let (ip, port) = server(dst);
        self.ip(src.ip).number(src.port.into()).ip(ip).number(port.into())
    }

    /// Returns the id: 16 hexadecimal digits.
    pub(super) fn finish(self) -> String {
        let digest = self.0.finish();
        digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The length goes first, so that no two lists of parts are alike.
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.0.update(bytes);
        self
    }
}

/// Returns the address and the port at which the server itself was reached, as far as known.
pub(super) fn server(dst: &Endpoint) -> (IpAddr, u16) {
    (dst.backend_ip.unwrap_or(dst.ip), dst.backend_port.unwrap_or(dst.port))
}
