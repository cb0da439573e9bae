//! The incident: a ServiceL2Status sticks, the address of Postgres flaps between two nodes, and long transactions
//! break.

use std::time::Duration;

use anyhow::{Result, bail};
use lab::agent::{Agent, LISTEN};
use lab::announce::Pattern;
use lab::findings::says;
use lab::traffic::Conversation;
use lab::vip::{SERVICE, Setup, Site, VIP4};
use lab::wait;
use serde_json::{Value, json};

use crate::args::Args;
use crate::narrator::Narrator;
use crate::tail::Tail;

const NODES: [&str; 2] = ["k8s-node3", "k8s-node4"];
const STATUS: &str = "l2-rgt9d";
/// The nodes that take the address, one after the other. The agent reports three moves in five minutes as a flap.
const FLAP: [usize; 5] = [1, 0, 1, 0, 1];
/// The number of open transactions at the first move; five resets in ten seconds are a burst.
const OPEN: usize = 6;
const PATIENCE: Duration = Duration::from_secs(3);
/// The narrator's name of the client.
const CLIENT: &str = "terragrunt";

/// Field order is drop order: processes first, the lab last.
struct Stage {
    tails: Vec<Tail>,
    agents: [Agent; 2],
    site: Site,
    shown: [usize; 2],
}

/// Plays the incident.
pub(crate) fn play(args: &Args, narrator: &mut Narrator) -> Result<()> {
    narrator
        .step("Build k8s-node3 and k8s-node4: Postgres on both, a load-balancer address, an agent on each");
    let mut stage = Stage::build(narrator.json())?;

    narrator.step(&format!("{} announces {VIP4}; MetalLB writes ServiceL2Status {STATUS}", NODES[0]));
    stage.site.move_to(0, metallb())?;
    stage.site.l2_status(STATUS, NODES[0])?;
    stage.show(0, "announcement", 1, narrator)?;

    narrator.step(&format!("CI takes the state lock: {OPEN} transactions through {}", stage.site.vip.at()));
    let open = stage.site.converse(OPEN)?;
    narrator.client(CLIENT, "lock acquired, working");
    stage.show(0, "attempt", OPEN, narrator)?;

    narrator.step(
        "The status can't be changed (\"Value is immutable\"): the speakers pass the address to and fro",
    );
    stage.site.move_to(FLAP[0], metallb())?;
    stage.be_cut(open, narrator)?;
    stage.show(FLAP[0], "reset", OPEN, narrator)?;
    stage.find(FLAP[0], "rst_burst", "", narrator)?;
    for to in &FLAP[1..] {
        stage.site.move_to(*to, metallb())?;
    }
    stage.find(FLAP[0], "vip_flap", &format!("{} times", FLAP.len()), narrator)?;
    stage.find(0, "vip_conflict", STATUS, narrator)?;

    narrator.step(&format!("The fix: kubectl delete servicel2status.metallb.io {STATUS} -n metallb-system"));
    stage.mend(narrator)?;
    stage.sum_up(args, narrator)?;
    if args.keep {
        return stage.keep();
    }
    stage.tails.clear();
    stage.agents.into_iter().try_for_each(Agent::stop)
}

/// Ten frames, fast.
fn metallb() -> Pattern {
    Pattern::METALLB.shortly()
}

impl Stage {
    fn build(quiet: bool) -> Result<Self> {
        let site = Site::new(Setup { nodes: NODES, ..Setup::default() })?;
        let agents = site.agents(&[])?;
        for agent in &agents {
            agent.wait_for("the address to be known", |agent| agent.vip(VIP4).ok()?)?;
        }
        let watched = if quiet { Vec::new() } else { site.nodes().to_vec() };
        let tails = watched.into_iter().map(|node| Tail::start(&node.ns)).collect::<Result<_>>()?;
        Ok(Self { tails, agents, site, shown: [0; 2] })
    }

    /// Continues the transactions on the node that has no state of them.
    fn be_cut(&self, open: Vec<Conversation>, narrator: &Narrator) -> Result<()> {
        for mut transaction in open {
            match transaction.echo() {
                Ok(()) => bail!("a transaction survived the move of its address"),
                Err(error) => narrator.client(CLIENT, &error.to_string()),
            }
        }
        narrator.client(CLIENT, "ERROR: Cannot read PG credentials from Vault");
        Ok(())
    }

    /// Writes a correct status, which is never updated later.
    fn mend(&self, narrator: &Narrator) -> Result<()> {
        let last = FLAP[FLAP.len() - 1];
        self.site.world.cluster.delete("ServiceL2Status", "metallb-system", STATUS)?;
        self.site.l2_status("l2-zj9ss", NODES[last])?;
        let mut open = self.site.converse(OPEN)?;
        open.iter_mut().try_for_each(Conversation::echo)?;
        narrator.client(CLIENT, "lock acquired, worked, released");
        Ok(())
    }

    /// Shows a finding about the address once the agent on node number `at` has one that contains `part`.
    fn find(&self, at: usize, kind: &str, part: &str, narrator: &Narrator) -> Result<()> {
        let ours = |found: &Value| found["vip"] == VIP4.to_string() && says(&found["summary"], &[part]);
        narrator.finding(&self.agents[at].wait_finding(kind, "active", ours)?);
        Ok(())
    }

    /// Shows the records of the agent on node number `at` since the last call, once there are at least `count` of
    /// `kind`.
    fn show(&mut self, at: usize, kind: &str, count: usize, narrator: &Narrator) -> Result<()> {
        let shown = self.shown[at];
        let records = self.agents[at].wait_for("the agent to record it", |agent| {
            let new = agent.flows("").ok()?.split_off(shown);
            (new.iter().filter(|r| r["kind"] == kind).count() >= count).then_some(new)
        })?;
        self.shown[at] += records.len();
        match self.tails.get(at) {
            Some(tail) => tail.next(records.len(), PATIENCE).iter().for_each(|line| narrator.tail(line)),
            None => records.iter().for_each(|record| narrator.record(record)),
        }
        Ok(())
    }

    fn sum_up(&self, args: &Args, narrator: &Narrator) -> Result<()> {
        let agent = &self.agents[0];
        let moves = agent.metric("vip_moves_total", &[("source", "wire")])?;
        let vip = agent.vip(VIP4)?;
        let mut lines = vec![
            format!("Summary: {VIP4} ({SERVICE}) moved {moves} times, as seen from {}", NODES[0]),
            "CI reported that credentials can't be read. The agents named the address, both nodes, the resets that its move".to_owned(),
            "caused, and the object to delete.".to_owned(),
        ];
        let urls =
            ["metrics", "api/v1/vips", "api/v1/findings"].map(|path| format!("http://{LISTEN}/{path}"));
        if args.keep {
            lines.push("The address goes on flapping, every ten seconds. Explore until Ctrl-C:".to_owned());
            for (node, url) in self.site.nodes().into_iter().zip(&urls[1..]) {
                lines.push(format!("   ip netns exec {} curl -s {url}", node.ns.name()));
            }
        }
        narrator.summary(&lines, &json!({"vip": vip, "moves": moves, "urls": urls}));
        Ok(())
    }

    /// Continues to flap until a signal, so that there is something to explore.
    fn keep(&mut self) -> Result<()> {
        for to in [0, 1].into_iter().cycle() {
            let mut open = self.site.converse(OPEN)?;
            self.site.move_to(to, metallb())?;
            open.iter_mut().for_each(|transaction| drop(transaction.echo()));
            let stop = || wait::interrupted().then_some(());
            if wait::until("a signal", Duration::from_secs(10), stop).is_ok() || wait::interrupted() {
                break;
            }
        }
        Ok(())
    }
}
