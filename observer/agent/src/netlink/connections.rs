//! The connections open on this node, as they come and go.
//!
//! The table is dumped now and then and compared with the last dump. Conntrack's events would tell sooner, but once
//! somebody listens they cost the datapath an allocation per state change, and a connection older than the listener
//! never sends its end.

mod pace;
mod read;
mod set;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use flow_core::connections::MAX_CONNECTIONS;
use flow_model::flow::FlowTuple;
use flow_model::input::{Input, OpenConnection};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::pace::Pace;
use self::read::{From, Reader};
use self::set::{Delta, Set};
use crate::netlink::NetlinkError;

/// Connections told in one input, so that no input is as large as the table.
const CHUNK: usize = 4_096;

/// Reads a table of open connections other than conntrack's. Called on a thread that may block.
pub type Table = Box<dyn FnMut() -> io::Result<Listing> + Send>;

/// What such a table holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub open: Vec<FlowTuple>,
    /// Also connections that are older than the agent.
    pub all: bool,
}

/// Where connections are read from.
pub enum Source {
    /// The kernel's connection tracking; where it is missing, not allowed, or has tracked nothing yet, the other table.
    Conntrack {
        /// Read instead of conntrack.
        otherwise: Option<Table>,
    },
    /// This table only.
    Table(Table),
}

/// How much is followed.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Connections kept; of further ones one warning tells.
    pub max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max: MAX_CONNECTIONS }
    }
}

/// Tells `tx` which TCP connections are established, then which opened and closed, until `cancel` or until nobody
/// listens. Half-closed ones are left out, and those of the node with itself over loopback.
///
/// It looks every 2 s, or so seldom that it takes no more than 1 % of a core, but once a minute; `at_once` makes it look
/// now. Runs in the network namespace of the thread that first polls it.
///
/// # Errors
/// When there is neither conntrack nor another table.
pub async fn follow(
    source: Source,
    config: Config,
    at_once: Arc<Notify>,
    tx: mpsc::Sender<Input>,
    cancel: CancellationToken,
) -> Result<(), NetlinkError> {
    let looker = Looker { reader: Reader::new(source), set: Set::new(config.max) };
    tokio::select! {
        () = cancel.cancelled() => Ok(()),
        ended = run(looker, &at_once, &tx) => ended,
    }
}

async fn run(mut looker: Looker, at_once: &Notify, tx: &mpsc::Sender<Input>) -> Result<(), NetlinkError> {
    let (mut full, mut failed) = (Once::default(), Once::default());
    let mut first = true;
    loop {
        let runtime = Handle::current();
        // On one thread from start to end, so that its CPU time is what the kernel and we spent.
        let look = move || (looker.look(&runtime), looker);
        let Ok((look, back)) = tokio::task::spawn_blocking(look).await else { return Ok(()) };
        looker = back;
        match look.read {
            Ok(from) => {
                let older = std::mem::take(&mut first) && from == From::Everything;
                if !tell(look.delta, older, tx).await {
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

/// Says yes once.
#[derive(Default)]
struct Once(bool);

impl Once {
    fn first(&mut self) -> bool {
        !std::mem::replace(&mut self.0, true)
    }
}

/// Where to look, and what was found the last time.
struct Looker {
    reader: Reader,
    set: Set,
}

/// What one look found.
struct Look {
    delta: Delta,
    read: Result<From, NetlinkError>,
    cpu: Duration,
}

impl Looker {
    fn look(&mut self, runtime: &Handle) -> Look {
        let before = pace::thread_cpu_time();
        self.set.begin();
        let read = runtime.block_on(self.reader.read(|tuple| self.set.see(tuple)));
        let delta = self.set.end(read.is_ok());
        Look { delta, read, cpu: pace::thread_cpu_time().saturating_sub(before) }
    }
}

/// What closed first: a tuple may be used again. False when nobody listens.
async fn tell(delta: Delta, older: bool, tx: &mpsc::Sender<Input>) -> bool {
    let seen = Timestamp::now();
    let opened = |tuple: &FlowTuple| OpenConnection { tuple: *tuple, seen, older };
    let closed =
        delta.closed.chunks(CHUNK).map(|c| Input::Connections { opened: vec![], closed: c.to_vec() });
    let opened = delta
        .opened
        .chunks(CHUNK)
        .map(|o| Input::Connections { opened: o.iter().map(opened).collect(), closed: vec![] });
    for input in closed.chain(opened) {
        if tx.send(input).await.is_err() {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests;
