//! The task that owns the engine and the sinks. It feeds inputs to the engine and the recording, and outputs to the sinks.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arcstr::ArcStr;
use flow_core::engine::Engine;
use flow_core::recording::{Header, Writer};
use flow_model::input::Input;
use flow_model::inventory::{Inventory, Namespace};
use flow_model::policies::Policies;
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tracing::error;

use crate::app::keeping::Keeper;
use crate::config::EnforcerChoice;
use crate::probes::Counted;
use crate::sink::Sinks;

/// Time between ticks, and so the longest delay of a record that the engine holds back.
const TICK: Duration = Duration::from_millis(50);
/// Time between ticks while nothing happens, so that an idle node is not woken twenty times a second.
const IDLE_TICK: Duration = Duration::from_millis(250);
/// The time after an input for which ticks keep their usual pace: longer than the engine waits for what belongs to a record.
const IDLE_AFTER: Duration = Duration::from_millis(200);
/// Inputs handled before ticks and inventories get their turn.
const BATCH: usize = 256;
/// Time between flushes of a recording.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// Runs until every sender is dropped, then emits what the engine holds back.
pub(super) async fn run(
    mut stage: Stage,
    mut inputs: mpsc::Receiver<Input>,
    mut counted: mpsc::Receiver<Counted>,
    mut inventories: watch::Receiver<Arc<Inventory>>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let (mut pace, mut flushed) = (Pace::new(), Instant::now());
    stage.cluster(&mut inventories);
    loop {
        tokio::select! {
            // The inventory comes first: a packet that follows a change of the cluster is named by the new one.
            biased;
            Ok(()) = inventories.changed() => {
                stage.cluster(&mut inventories);
                pace.handled();
            }
            Some(counted) = counted.recv() => {
                stage.counted(counted);
                pace.handled();
            }
            n = inputs.recv_many(&mut batch, BATCH) => {
                if n == 0 {
                    break;
                }
                let now = Timestamp::now();
                batch.drain(..).for_each(|input| stage.handle(input, now));
                pace.handled();
            }
            () = tokio::time::sleep_until(pace.next) => {
                stage.handle(Input::Tick, Timestamp::now());
                let now = pace.ticked();
                if flushed + FLUSH_EVERY <= now {
                    stage.flush();
                    flushed = now;
                }
            }
        }
    }
    while let Some(counted) = counted.recv().await {
        stage.counted(counted);
    }
    stage.finish();
}

/// Decides when the next tick is: soon after an input, later while nothing happens.
struct Pace {
    handled: Instant,
    next: Instant,
}

impl Pace {
    fn new() -> Self {
        let now = Instant::now();
        Self { handled: now, next: now + TICK }
    }

    /// Notes that something was handled.
    fn handled(&mut self) {
        self.handled = Instant::now();
        self.next = self.next.min(self.handled + TICK);
    }

    /// Notes a tick. Returns its time.
    fn ticked(&mut self) -> Instant {
        let now = Instant::now();
        self.next = now + if self.handled + IDLE_AFTER > now { TICK } else { IDLE_TICK };
        now
    }
}

/// Holds the engine with its sinks and its recording.
pub(super) struct Stage {
    engine: Engine,
    sinks: Sinks,
    recorder: Option<Recorder>,
    /// Wakes the reader of open connections: new policies, or labels of namespaces, may deny some of them.
    look: Arc<Notify>,
    policies: Policies,
    namespaces: Vec<Arc<Namespace>>,
    enforcer: EnforcerChoice,
    keeper: Option<Keeper>,
}

impl Stage {
    /// Returns a stage that has no policies yet.
    pub(super) fn new(engine: Engine, sinks: Sinks, recorder: Option<Recorder>, look: Arc<Notify>) -> Self {
        let (policies, namespaces) = (Policies::default(), Vec::new());
        Self {
            engine,
            sinks,
            recorder,
            look,
            policies,
            namespaces,
            enforcer: EnforcerChoice::Auto,
            keeper: None,
        }
    }

    /// Judges by this enforcer.
    pub(super) fn enforced_by(self, enforcer: EnforcerChoice) -> Self {
        Self { enforcer, ..self }
    }

    /// Keeps what it knows for the next agent.
    pub(super) fn kept_by(self, keeper: Option<Keeper>) -> Self {
        Self { keeper, ..self }
    }

    fn cluster(&mut self, inventories: &mut watch::Receiver<Arc<Inventory>>) {
        let inventory = self.enforcer.over(Arc::clone(&inventories.borrow_and_update()));
        if inventory.policies != self.policies || inventory.namespaces != self.namespaces {
            (self.policies, self.namespaces) = (inventory.policies.clone(), inventory.namespaces.clone());
            self.look.notify_one();
        }
        self.handle(Input::Cluster { inventory }, Timestamp::now());
    }

    fn counted(&mut self, counted: Counted) {
        let now = Timestamp::now();
        counted.inputs.into_iter().for_each(|input| self.handle(input, now));
        if let Some(keeper) = &mut self.keeper {
            keeper.handled(counted.seq);
            self.sinks.complete();
        }
    }

    fn handle(&mut self, input: Input, now: Timestamp) {
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.write(now, &input)
        {
            error!(%error, file = %recorder.path.display(), "the recording ends here");
            self.recorder = None;
        }
        self.engine.handle(input, now);
        self.emit(now);
    }

    fn emit(&mut self, now: Timestamp) {
        while let Some(output) = self.engine.next_output() {
            self.sinks.emit(output, now);
        }
    }

    fn flush(&mut self) {
        self.sinks.set_sizes(&self.engine.sizes());
        if let Some(keeper) = &mut self.keeper {
            keeper.tick(&self.engine, &self.sinks);
        }
        if let Some(recorder) = &mut self.recorder
            && let Err(error) = recorder.writer.flush()
        {
            error!(%error, file = %recorder.path.display(), "the recording ends here");
            self.recorder = None;
        }
    }

    fn finish(mut self) {
        self.engine.finish();
        self.emit(Timestamp::now());
        if let Some(keeper) = &mut self.keeper {
            keeper.finish(&self.engine, &self.sinks);
        }
        if let Some(recorder) = self.recorder
            && let Err(error) = recorder.writer.finish()
        {
            error!(%error, "the recording's end could not be written");
        }
    }
}

/// Writes a recording.
pub(super) struct Recorder {
    path: PathBuf,
    writer: Writer<File>,
}

impl Recorder {
    /// Creates the file, and replaces one that exists.
    ///
    /// # Errors
    /// Fails when the file can't be created or written.
    pub(super) fn create(path: &Path, node: &ArcStr) -> anyhow::Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("the recording {} can't be created", path.display()))?;
        let header =
            Header { node: node.clone(), started: Timestamp::now(), agent: env!("CARGO_PKG_VERSION").into() };
        let writer = Writer::new(file, &header)
            .with_context(|| format!("the recording {} can't be written", path.display()))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    fn write(&mut self, now: Timestamp, input: &Input) -> Result<(), flow_core::recording::WriteError> {
        self.writer.write(now, input)
    }
}
