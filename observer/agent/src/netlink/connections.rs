//! Follows the connections that are open on this node.
//!
//! The connection table is dumped at intervals and compared with the last dump. Conntrack's events would come sooner.
//! But with a listener they cost the data path an allocation per state change, and a connection older than the listener
//! never sends its end.

mod half_open;
mod pace;
mod read;
mod set;
mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use flow_model::connection::MAX_CONNECTIONS;
use flow_model::flow::FlowTuple;
use flow_model::input::{HalfOpen, Input, OpenConnection};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::pace::Pace;
use self::read::{From, Reader};
use self::set::{Delta, Set};
pub use self::source::{Listing, Source, Table};
use crate::netlink::conntrack::Conn;
use crate::netlink::error::NetlinkError;
use crate::tasks::blocking;

/// Connections in one input, so that no input is as large as the table.
const CHUNK: usize = 4_096;

/// Is told what each look found, on a thread that may block.
pub type Keep = Box<dyn FnMut(&Opened<'_>) + Send>;

/// The connections that a look found open and the one before did not.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    pub tuples: &'a [FlowTuple],
    /// What conntrack says of them, where they are known to have opened after a time; empty otherwise.
    pub tracked: &'a [Conn],
    /// That time. It is known when conntrack was read to its end by this look and the one before, and had room for all.
    pub since: Option<Instant>,
}

/// Limits what is followed.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Connections kept. One warning is logged when there are more.
    pub max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max: MAX_CONNECTIONS }
    }
}

/// Sends the established TCP connections to `tx`, then those that opened and closed, and tells `keep` of those that opened,
/// until `cancel` or until the receiver is closed. Half-closed connections are left out, and those of the node with itself
/// over loopback.
///
/// The table is read every 2 s. The interval grows up to a minute so that reading takes at most 1 % of a core.
/// `at_once` makes it read now. Runs in the network namespace of the thread that first polls it.
///
/// # Errors
/// Fails when there is neither conntrack nor another table.
pub async fn follow(
    source: Source,
    config: Config,
    keep: Keep,
    at_once: Arc<Notify>,
    tx: mpsc::Sender<Input>,
    cancel: CancellationToken,
) -> Result<(), NetlinkError> {
    let looker = Looker { reader: Reader::new(source), set: Set::new(config.max), keep, before: None };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = run(looker, &at_once, &tx) => ended,
    }
}

async fn run(mut looker: Looker, at_once: &Notify, tx: &mpsc::Sender<Input>) -> Result<(), NetlinkError> {
    let (mut full, mut failed) = (Once::default(), Once::default());
    let (mut first, mut told) = (true, false);
    loop {
        let runtime = Handle::current();
        // On one thread from start to end, so that its CPU time is what the kernel and this code spent.
        let work = move || (looker.look(&runtime), looker);
        let look;
        (look, looker) = blocking(work).await;
        // None is told once, so that what was told before is over.
        let half_open = !look.half_open.is_empty();
        let before = std::mem::replace(&mut told, half_open);
        if (half_open || before) && tx.send(Input::HalfOpen { servers: look.half_open }).await.is_err() {
            return Ok(());
        }
        match look.read {
            Ok(from) => {
                let older = std::mem::take(&mut first) && from != From::Recent;
                if !send(look.delta, older, tx).await {
                    return Ok(());
                }
            }
            Err(error @ (NetlinkError::NoConntrack(_) | NetlinkError::ConntrackDenied(_))) => {
                return Err(error);
            }
            Err(error) if failed.first() => {
                warn!(%error, "open connections could not be read; this is logged once");
            }
            Err(_) => {}
        }
        let (open, left_out) = (looker.set.len(), looker.set.left_out());
        debug!(open, cpu = ?look.cpu, "open connections read");
        if left_out > 0 && full.first() {
            warn!(open, left_out, "more connections are open than can be followed; this is logged once");
        }
        Pace::after(look.cpu).wait(at_once).await;
    }
}

/// Is first only once.
#[derive(Default)]
struct Once(bool);

impl Once {
    fn first(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }
}

/// Holds the table to read, and what was found the last time.
struct Looker {
    reader: Reader,
    set: Set,
    keep: Keep,
    /// When the last look began, if it found all that conntrack holds.
    before: Option<Instant>,
}

/// The result of reading the table once.
struct Look {
    delta: Delta,
    read: Result<From, NetlinkError>,
    half_open: Vec<HalfOpen>,
    cpu: Duration,
}

impl Looker {
    fn look(&mut self, runtime: &Handle) -> Look {
        let (before, begun) = (pace::thread_cpu_time(), Instant::now());
        self.set.begin();
        let (set, since) = (&mut self.set, self.before.take());
        let mut tracked = Vec::new();
        let read = runtime.block_on(self.reader.read(|tuple, conn| {
            if set.see(tuple) && since.is_some() {
                tracked.extend(conn.copied());
            }
        }));
        let delta = set.end(read.is_ok());
        let all = matches!(read, Ok(From::Conntrack)) && set.left_out() == 0;
        self.before = all.then_some(begun);
        let since = since.filter(|_| all);
        let tracked = if since.is_some() { &tracked[..] } else { &[] };
        (self.keep)(&Opened { tuples: &delta.opened, tracked, since });
        let half_open = self.reader.take_half_open();
        Look { delta, read, half_open, cpu: pace::thread_cpu_time().saturating_sub(before) }
    }
}

/// Sends closed connections before opened ones, because a tuple may be used again. False when the receiver is closed.
async fn send(delta: Delta, older: bool, tx: &mpsc::Sender<Input>) -> bool {
    let seen = Timestamp::now();
    let opened = |tuple: &FlowTuple| OpenConnection { tuple: *tuple, seen, older };
    let closed =
        delta.closed.chunks(CHUNK).map(|c| Input::Connections { opened: vec![], closed: c.to_vec() });
    let opened = delta
        .opened
        .chunks(CHUNK)
        .map(|o| Input::Connections { opened: o.iter().map(opened).collect(), closed: vec![] });
    // An empty one tells that the table was read: what was open is open still.
    let read = Input::Connections { opened: vec![], closed: vec![] };
    let nothing = delta.closed.is_empty() && delta.opened.is_empty();
    for input in closed.chain(opened).chain(nothing.then_some(read)) {
        if tx.send(input).await.is_err() {
            return false;
        }
    }
    true
}
