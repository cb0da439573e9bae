//! Bursts of connections, which the clients count.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use lab::pod::Pod;
use socket2::SockRef;

use crate::stage::{CLOSED, LANES, OPEN};

/// A burst, and the pause after it.
const BURST: Duration = Duration::from_secs(4);
const PAUSE: Duration = Duration::from_secs(2);
/// Of this many connections of a client, one goes to a closed port and one ends with a reset.
const SOME: u64 = 50;

/// What clients counted, since the start.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) established: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Time in bursts, of all clients, milliseconds.
    pub(crate) burst_ms: AtomicU64,
    /// Connections in bursts.
    pub(crate) in_bursts: AtomicU64,
}

impl Truth {
    /// Connects once, and counts the end.
    pub(crate) fn connect(&self, to: SocketAddr) -> Result<Option<TcpStream>> {
        match TcpStream::connect(to) {
            Ok(stream) => {
                self.established.fetch_add(1, Ordering::Relaxed);
                Ok(Some(stream))
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => {
                Err(error).with_context(|| format!("a connection to {to} has an end that is not counted"))
            }
        }
    }
}

/// Runs bursts until `stop`.
pub(crate) fn rage(
    clients: &[Pod],
    servers: &[Pod],
    rate: u64,
    truth: &Truth,
    stop: &AtomicBool,
) -> Result<()> {
    let began = Instant::now();
    let share = Duration::from_nanos(1_000_000_000 * LANES as u64 / rate);
    thread::scope(|scope| {
        let drive = |(client, server): (&'_ Pod, &'_ Pod)| {
            let (ns, server) = (client.ns.clone(), (server.at(OPEN), server.at(CLOSED)));
            scope.spawn(move || {
                let lane = Lane { open: server.0, closed: server.1, share, truth };
                ns.run(|| lane.bursts(began, stop))
            })
        };
        let lanes: Vec<_> = clients.iter().zip(servers).map(drive).collect();
        for lane in lanes {
            let Ok(ended) = lane.join() else { bail!("a client panicked") };
            ended?;
        }
        Ok(())
    })
}

struct Lane<'a> {
    open: SocketAddr,
    closed: SocketAddr,
    /// Time from one connection to the next.
    share: Duration,
    truth: &'a Truth,
}

impl Lane<'_> {
    fn bursts(&self, mut begin: Instant, stop: &AtomicBool) -> Result<()> {
        while !stop.load(Ordering::Relaxed) {
            self.burst(begin + BURST, stop)?;
            begin += BURST + PAUSE;
            while Instant::now() < begin && !stop.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(())
    }

    fn burst(&self, end: Instant, stop: &AtomicBool) -> Result<()> {
        let began = Instant::now();
        let (mut due, mut made) = (began, 0);
        while Instant::now() < end && !stop.load(Ordering::Relaxed) {
            made += 1;
            self.one(made)?;
            due += self.share;
            if let Some(early) = due.checked_duration_since(Instant::now()) {
                thread::sleep(early);
            }
        }
        self.truth.in_bursts.fetch_add(made, Ordering::Relaxed);
        let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.truth.burst_ms.fetch_add(took, Ordering::Relaxed);
        Ok(())
    }

    fn one(&self, number: u64) -> Result<()> {
        if number.is_multiple_of(SOME) {
            self.truth.connect(self.closed)?;
            return Ok(());
        }
        if let Some(stream) = self.truth.connect(self.open)?
            && number % SOME == 1
        {
            // Closing with a linger time of zero sends a RST.
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }
}
