//! Callbacks from the probes' tasks to the rest of the agent.

use std::collections::BTreeSet;
use std::sync::Arc;

use flow_model::blind_spot::{BlindReason, Unseen};
use flow_model::flow::{Latencies, Vantage};
use flow_model::input::Input;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::probes::hidden::OwnPods;
use crate::probes::journal::JournalSettings;
use crate::probes::witness::InSight;

/// Completes an input before the engine gets it, see [`Hooks::complete`].
pub type Complete = Arc<dyn Fn(&mut Input) + Send + Sync>;

/// Records a blind spot, see [`Hooks::blind`].
pub type Blind = Arc<dyn Fn(BlindReason, &str, Option<Unseen>) + Send + Sync>;

/// What was read from the maps at once. It goes to the engine by a queue of its own, so that the engine knows how much of the
/// journal it has handled.
#[derive(Debug, Default)]
pub struct Counted {
    /// What the engine has to handle.
    pub inputs: Vec<Input>,
    /// The newest entry of the journal that is part of it, and of what came before.
    pub seq: u64,
}

/// How counts get from the maps to the engine, and from one agent to the next.
#[derive(Debug)]
pub struct HandOver {
    /// Takes what is read from the maps.
    pub counted: mpsc::Sender<Counted>,
    /// The journal of what was read from the maps, where agents go on from each other's state.
    pub journal: Option<JournalSettings>,
    /// Cancelled when the cluster is known: what was counted before this agent started gets its names.
    pub cluster_known: CancellationToken,
}

/// Holds the callbacks. Each is called from one task at a time.
pub struct Hooks {
    /// Called when the first dump of links is done and every program is attached that can be, with the interfaces that
    /// lead to pods.
    pub synced: Box<dyn FnOnce(BTreeSet<u32>) + Send>,
    /// Called with a probe's name (`pods`, `uplinks`, `drops`, `reset_reasons`, `accept_queues`,
    /// `sockets`) and whether it works.
    pub attached: Box<dyn Fn(&'static str, bool) + Send>,
    /// Called with a reason, a place, and what can't be seen there; with `None` when it can be seen again.
    pub blind: Blind,
    /// The addresses of this node's pods.
    pub own_pods: OwnPods,
    /// Takes those of them whose interfaces are followed.
    pub in_sight: InSight,
    /// Called with a role and the number of interfaces followed in it.
    pub followed: Box<dyn Fn(&'static str, usize) + Send>,
    /// Adds to a record what the kernel's hooks alone don't know. Called for each record, and must not block.
    pub complete: Complete,
    /// Publishes counts that are not the engine's.
    pub publish: Publish,
    /// The number of readers of single records. While there is none, records of established attempts may stand for several.
    pub readers: watch::Receiver<usize>,
    /// Takes the counts.
    pub hand_over: HandOver,
}

/// Adds the time that handshakes took, see [`Publish::handshakes`].
pub type AddHandshakes = Arc<dyn Fn(Vantage, &Latencies) + Send + Sync>;

/// Holds the callbacks that publish counts.
#[derive(Clone)]
pub struct Publish {
    /// Called with a map's name, the number of its entries, and how many it can have.
    pub entries: Arc<dyn Fn(&'static str, usize, usize) + Send + Sync>,
    /// Called with what is known of a network namespace (`other`, `unknown`) and the number of new drops in such ones.
    pub unattributed: Arc<dyn Fn(&'static str, u64) + Send + Sync>,
    /// Called with the time that new handshakes took.
    pub handshakes: AddHandshakes,
}
