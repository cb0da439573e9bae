//! Lets hosts claim addresses: gratuitous ARP and unsolicited neighbour advertisements in the rhythm of real
//! announcers.

pub mod frames;
mod malformed;
mod speaker;
mod wire;

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use flow_model::mac::Mac;

pub use malformed::malformed;
pub use speaker::Speaker;
pub use wire::Wire;

/// The frames of an announcer, and their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Gratuitous requests are sent.
    pub requests: bool,
    /// Gratuitous replies are sent.
    pub replies: bool,
    pub rounds: u32,
    pub every: Duration,
}

impl Pattern {
    /// Returns MetalLB's layer 2 mode: a request and a reply at once and every 1.1 s for five seconds.
    pub const METALLB: Self =
        Self { requests: true, replies: true, rounds: 5, every: Duration::from_millis(1_100) };
    /// Returns kube-vip's rhythm: a reply every three seconds, here for a minute.
    pub const KUBE_VIP: Self =
        Self { requests: false, replies: true, rounds: 20, every: Duration::from_secs(3) };
    /// Returns what `arping -U -c 1` sends.
    pub const ARPING: Self = Self { requests: true, replies: false, rounds: 1, every: Duration::ZERO };

    /// Returns the same frames without pauses.
    #[must_use]
    pub fn at_once(self) -> Self {
        Self { every: Duration::ZERO, ..self }
    }

    /// Returns the same frames within half a second, so that each move counts before the next.
    #[must_use]
    pub fn shortly(self) -> Self {
        Self { every: Duration::from_millis(500) / self.rounds.max(1), ..self }
    }

    /// Returns the same with another number of rounds.
    #[must_use]
    pub fn rounds(self, rounds: u32) -> Self {
        Self { rounds, ..self }
    }

    /// Returns the frames of one round. IPv6 has only one kind.
    #[must_use]
    pub fn frames(self, ip: IpAddr, mac: Mac) -> Vec<Vec<u8>> {
        match ip {
            IpAddr::V4(ip) => {
                let request = self.requests.then(|| frames::gratuitous_request(ip, mac));
                let reply = self.replies.then(|| frames::gratuitous_reply(ip, mac));
                request.into_iter().chain(reply).collect()
            }
            IpAddr::V6(ip) => vec![frames::advertisement(ip, mac)],
        }
    }
}

impl Wire {
    /// Claims `ip` for this host's own MAC.
    ///
    /// # Errors
    /// Fails when a frame can't be sent.
    pub fn announce(&self, ip: IpAddr, pattern: Pattern) -> Result<()> {
        self.announce_as(ip, self.mac(), pattern)
    }

    /// Claims `ip` for any MAC.
    ///
    /// # Errors
    /// Fails when a frame can't be sent.
    pub fn announce_as(&self, ip: IpAddr, mac: Mac, pattern: Pattern) -> Result<()> {
        let frames = pattern.frames(ip, mac);
        for round in 0..pattern.rounds {
            if round > 0 {
                // The pauses belong to the traffic; they don't wait for a condition.
                thread::sleep(pattern.every);
            }
            frames.iter().try_for_each(|frame| self.send(frame))?;
        }
        Ok(())
    }

    /// Sends `count` gratuitous replies as fast as they go, each naming another host and another address of
    /// 198.18.0.0/15.
    ///
    /// # Errors
    /// Fails when a frame can't be sent.
    pub fn flood(&self, count: u32) -> Result<()> {
        for n in 0..count {
            let [_, b, c, d] = (n % (1 << 17)).to_be_bytes();
            let claim = (Mac([2, 0xf1, 0, b, c, d]), Ipv4Addr::new(198, 18 + b, c, d));
            let mut frame = frames::gratuitous_reply(claim.1, claim.0);
            // One sender, so that the switch has one port to learn.
            frame[6..12].copy_from_slice(&self.mac().0);
            self.send(&frame)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
