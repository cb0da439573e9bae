//! The engine: inputs with their time in, named records and counts out.

use std::collections::VecDeque;

use arcstr::{ArcStr, literal};
use flow_identity::Identity;
use flow_model::flow::Outcome;
use flow_model::input::{DropSeen, Input, LostStage};
use flow_model::inventory::Inventory;
use flow_model::output::Output;
use flow_model::record::{Event, FlowRecord, Lost};
use flow_policy::history::History;
use jiff::Timestamp;

use crate::awaiting_drop::AwaitingDrop;
use crate::awaiting_name::AwaitingName;
use crate::blind_spots::BlindSpots;
use crate::bursts::{BurstConfig, Bursts, Endpoints};
use crate::connections::Connections;
use crate::enforcement::{Enforcement, EnforcementConfig, Flips};
use crate::enforcer_log::EnforcerLog;
use crate::findings::{Findings, FindingsConfig};
use crate::floods::{FloodConfig, Floods};
use crate::held::Held;
use crate::judge::Judge;
use crate::reached::Reached;
use crate::scans::{ScanConfig, Scans};
use crate::table_full::TableFull;
use crate::unfollowed::Unfollowed;
use crate::vips::{VipConfig, Vips};

mod attempts;
mod checks;
mod drops;
mod enforcement;
mod kept;
mod open_flows;
mod recent;
mod sizes;
mod traffic;
mod verdicts;
mod vips;

pub use self::kept::KeptEngine;
use self::recent::RecentDecisions;
pub use self::sizes::StateSize;

/// Sets the thresholds of the detectors.
#[derive(Clone, Debug, Default)]
pub struct EngineConfig {
    pub enforcement: EnforcementConfig,
    pub findings: FindingsConfig,
    pub vips: VipConfig,
    pub bursts: BurstConfig,
    pub floods: FloodConfig,
    pub scans: ScanConfig,
}

/// Turns the inputs of one node's kernel and cluster into records, counts and findings. Sans-IO: feed
/// [`Engine::handle`], then drain [`Engine::next_output`].
pub struct Engine {
    node: ArcStr,
    identity: Identity,
    /// Rejected attempts wait for the drop of their SYN, which follows and names the backend.
    awaiting_drop: AwaitingDrop,
    /// Dropped SYNs wait for the line of the enforcer's log.
    awaiting_line: Held<DropSeen>,
    enforcer_log: EnforcerLog,
    table_full: TableFull,
    /// Attempts of new pods wait for the pod's name.
    awaiting_name: AwaitingName,
    judge: Judge,
    recent: RecentDecisions,
    reached: Reached,
    enforcement: Enforcement,
    flips: Flips,
    findings: Findings,
    connections: Connections,
    history: History,
    /// What the agent before knew of the policies, until the cluster is known.
    before: Option<Inventory>,
    vips: Vips,
    endpoints: Endpoints,
    bursts: Bursts,
    floods: Floods,
    scans: Scans,
    blind_spots: BlindSpots,
    unfollowed: Unfollowed,
    /// The time at which the open connections were last reported.
    open_flows_reported: Option<Timestamp>,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// Creates an engine for the node of this name, which knows no cluster yet.
    #[must_use]
    pub fn new(node: impl Into<ArcStr>) -> Self {
        Self::configured(node, EngineConfig::default())
    }

    /// Creates an engine as [`Engine::new`] does, with other times and sizes for findings.
    #[must_use]
    pub fn configured(node: impl Into<ArcStr>, config: EngineConfig) -> Self {
        let node = node.into();
        Self {
            findings: Findings::new(node.clone(), config.findings),
            identity: Identity::new(),
            awaiting_drop: AwaitingDrop::default(),
            awaiting_line: Held::new(drops::LIMIT),
            enforcer_log: EnforcerLog::default(),
            table_full: TableFull::default(),
            awaiting_name: AwaitingName::default(),
            judge: Judge::new(),
            recent: RecentDecisions::default(),
            reached: Reached::default(),
            enforcement: Enforcement::new(&config.enforcement),
            flips: Flips::new(),
            connections: Connections::default(),
            history: History::default(),
            before: None,
            vips: Vips::new(node.clone(), config.vips),
            endpoints: Endpoints::default(),
            bursts: Bursts::new(config.bursts),
            floods: Floods::new(config.floods),
            scans: Scans::new(node.clone(), config.scans),
            blind_spots: BlindSpots::new(node.clone()),
            unfollowed: Unfollowed::new(node.clone()),
            open_flows_reported: None,
            node,
            outputs: VecDeque::new(),
        }
    }

    /// Handles one input.
    pub fn handle(&mut self, input: Input, now: Timestamp) {
        match input {
            Input::Attempt(seen) if seen.outcome == Outcome::Rejected => self.rejected(seen, now),
            Input::Attempt(seen) => self.attempt(seen, now),
            Input::Reset(seen) => self.reset(&seen),
            Input::Drop(seen) => self.drop(seen, now),
            Input::Pairs { deltas } => {
                self.floods.pairs(&deltas, now);
                deltas.into_iter().for_each(|d| self.pair(d, now));
            }
            Input::HalfOpen { servers } => self.floods.half_open(&servers, now),
            Input::Drops { deltas } => deltas.into_iter().for_each(|d| self.drops(d, now)),
            Input::Lost { stage, count } => self.lost(stage, count, now),
            Input::Cluster { inventory } => self.cluster(inventory, now),
            Input::Announcement(seen) => self.vips.announcement(&seen),
            Input::Unclaimed { count } => self.outputs.push_back(Output::Unclaimed { count }),
            Input::Neighbours { neighbours, own } => self.vips.neighbours(&neighbours, &own),
            Input::Check(result) => self.check(result),
            Input::Connections { opened, closed } => self.connections.apply(&opened, &closed),
            Input::EnforcerLog { read } => self.enforcer_log.set_read(read),
            Input::Logged(seen) => self.logged(seen, now),
            Input::TableFull { since, until, .. } => self.table_full.add(since, until),
            Input::Blind { spots } => {
                self.blind_spots.set(spots, now);
                let explained = self.unfollowed.explained(&self.blind_spots);
                self.outputs.extend(explained.into_iter().map(Output::Sight));
            }
            Input::Tick => self.tick(now),
        }
        for due in self.awaiting_drop.due(now) {
            self.attempt(due, now);
        }
        for due in self.awaiting_line.due(now) {
            self.dropped(&due, None);
        }
        self.report_nameless(now);
        self.judge_connections(now);
        self.count_left_out();
        self.drain_vips();
        self.drain_findings();
    }

    /// Returns the next effect, until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Releases the attempts that are still waiting: at the end of a recording, or of the agent.
    pub fn finish(&mut self) {
        let mut attempts = self.awaiting_drop.drain();
        attempts.extend(self.awaiting_name.drain());
        let pairs = self.awaiting_name.drain_pairs();
        self.report_released(attempts, pairs);
        for seen in self.awaiting_line.drain() {
            self.dropped(&seen, None);
        }
        self.drain_findings();
    }

    fn tick(&mut self, now: Timestamp) {
        self.judge.tick();
        self.measure_enforcement(now);
        self.enforcer_log.tick(now);
        self.table_full.tick(now);
        self.watch_vips(now);
        self.watch_sources(now);
        self.findings.report(self.blind_spots.tick(&self.identity, now), now);
        self.findings.tick(now);
        self.report_open_flows(now);
        let gone = self.identity.departed(now);
        if !gone.is_empty() {
            self.outputs.push_back(Output::Departed(gone));
        }
    }

    fn lost(&mut self, stage: LostStage, count: u64, now: Timestamp) {
        self.outputs.push_back(Output::Lost { stage, count });
        if stage == LostStage::Ring {
            self.record(now, Event::Lost(Lost { lost: count, stage: literal!("ring") }));
        }
    }

    fn record(&mut self, time: Timestamp, event: Event) {
        self.outputs.push_back(Output::Record(FlowRecord { time, node: self.node.clone(), event }));
    }
}

#[cfg(test)]
mod tests;
