//! The site with an agent on each node, and checks that several tests share.

use std::io::ErrorKind;
use std::net::IpAddr;

use flow_model::mac::Mac;
use lab::agent::Agent;
use lab::announce::Pattern;
use lab::findings::{says, summary};
use lab::traffic::Conversation;
use lab::vip::{NODES, SERVICE, Setup, Site};
use serde_json::{Value, json};

/// Ten frames in half a second.
pub(crate) fn metallb() -> Pattern {
    Pattern::METALLB.shortly()
}

/// The number of open connections across a move: more than a burst needs.
pub(crate) const OPEN: usize = 8;

/// Field order is drop order.
pub(crate) struct Stage {
    pub(crate) agents: [Agent; 2],
    pub(crate) site: Site,
    pub(crate) vip: IpAddr,
}

impl Stage {
    /// Starts both agents and waits until they know the VIP. No host has claimed it.
    pub(crate) fn unclaimed(setup: Setup) -> Self {
        let site = Site::new(setup).unwrap();
        let agents = site.agents(&[]).unwrap();
        let stage = Self { agents, site, vip: setup.vip };
        for agent in &stage.agents {
            agent.wait_for("the VIP to be known", |a| a.vip(stage.vip).ok()?).unwrap();
        }
        stage
    }

    /// Gives the VIP to the first node, and waits until both agents know.
    pub(crate) fn new(setup: Setup) -> Self {
        let mut stage = Self::unclaimed(setup);
        stage.site.move_to(0, metallb()).unwrap();
        for agent in &stage.agents {
            let known = stage.claimed_by(agent, NODES[0]);
            assert_eq!(known["moves"], 0, "the first claim is no move: {known}");
        }
        stage
    }

    /// Waits until an agent reports `node` as the VIP's claimant.
    pub(crate) fn claimed_by(&self, agent: &Agent, node: &str) -> Value {
        let found = agent.wait_for("the claimant", |agent| {
            agent.vip(self.vip).ok()?.filter(|vip| vip["claimant"]["node"] == node)
        });
        found.unwrap_or_else(|e| panic!("{e}: {:?}\n{}", agent.vip(self.vip), agent.shown_findings()))
    }

    /// Waits until the agent has counted so many moves, the last of them to `node`. Snapshots follow within a second.
    pub(crate) fn moved(&self, agent: &Agent, node: &str, moves: u64) {
        let what = format!("{moves} moves, the last to {node}");
        let found = agent.wait_for(&what, |agent| {
            let vip = agent.vip(self.vip).ok()??;
            (vip["claimant"]["node"] == node && vip["moves"] == moves).then_some(())
        });
        found.unwrap_or_else(|e| panic!("{e}: {:?}\n{}", agent.vip(self.vip), agent.shown_findings()));
    }

    /// Returns an agent's announcement records of the VIP.
    pub(crate) fn announcements(&self, agent: &Agent) -> Vec<Value> {
        let mut records = agent.flows("kind=announcement").unwrap();
        records.retain(|record| record["ip"] == self.vip.to_string());
        records
    }

    /// Checks that both agents report one move, from the first node to the second, in records, metrics and the API.
    pub(crate) fn moved_once(&self, mac: Mac) {
        for agent in &self.agents {
            let is_move = |r: &Value| r["move"] == true && r["ip"] == self.vip.to_string();
            let record = agent.wait_flow("kind=announcement", is_move).unwrap();
            assert_eq!(record["claimant"], NODES[1], "{record}");
            assert_eq!(record["previous"], NODES[0], "{record}");
            assert_eq!(record["mac"], mac.to_string(), "{record}");
            assert_eq!(record["services"], json!([SERVICE]), "{record}");
            let vip = self.claimed_by(agent, NODES[1]);
            assert_eq!(vip["claimant"]["mac"], mac.to_string(), "{vip}");
            assert_eq!(vip["moves"], 1, "{vip}");
            assert_eq!(vip["history"][0]["node"], NODES[0], "{vip}");
            assert_eq!(vip["services"], json!([SERVICE]), "{vip}");
            self.counted(agent, 1.0);
            let (labels, mac) = (self.labels(), mac.to_string());
            let current = [labels.as_slice(), &[("node", NODES[1]), ("mac", mac.as_str())]].concat();
            agent.wait_metric("vip_announcer", &current, 1.0).unwrap();
            agent.wait_metric("vip_announcer", &labels, 1.0).unwrap();
            assert_eq!(
                self.announcements(agent).len(),
                2,
                "a claim and a move: {:#?}",
                self.announcements(agent)
            );
        }
    }

    /// Waits until an agent has counted this number of moves on the wire.
    pub(crate) fn counted(&self, agent: &Agent, moves: f64) {
        let ip = self.vip.to_string();
        agent.wait_metric("vip_moves_total", &[("vip", ip.as_str()), ("source", "wire")], moves).unwrap();
        agent.wait_metric("vip_moves_total", &self.labels(), moves).unwrap();
    }

    fn labels(&self) -> [(&'static str, &'static str); 3] {
        let (namespace, service) = SERVICE.split_once('/').unwrap();
        [("service_namespace", namespace), ("service", service), ("source", "wire")]
    }

    /// Checks that the connections are reset at their next packet, and that `agent` records each as an orphan of the
    /// VIP and the client.
    pub(crate) fn orphaned(&self, agent: &Agent, open: Vec<Conversation>) {
        for mut conversation in open {
            let port = conversation.local_port().unwrap();
            assert_eq!(conversation.echo().unwrap_err().kind(), ErrorKind::ConnectionReset);
            let record = agent.wait_flow("kind=reset", |r| r["src"]["port"] == port).unwrap();
            assert_eq!(record["phase"], "orphan", "{record}");
            assert_eq!(record["by"], "server", "{record}");
            assert_eq!(record["src"]["ip"], self.site.client_ip().to_string(), "{record}");
            assert_eq!(record["dst"]["ip"], self.vip.to_string(), "{record}");
            assert_eq!(record["dst"]["service"], SERVICE, "{record}");
        }
    }

    /// Waits for a `rst_burst` through the VIP with the cause `cause`.
    pub(crate) fn burst(&self, agent: &Agent, cause: &str) -> Value {
        let whole = |f: &Value| f["count"].as_u64() >= Some(OPEN as u64) && !f["cause"].is_null();
        let found = agent.wait_finding("rst_burst", "active", whole).unwrap();
        assert!(says(&found["cause"], &[cause]), "{found}");
        assert_eq!(found["vip"], self.vip.to_string(), "{found}");
        assert!(summary(&found).contains(&self.vip.to_string()), "{found}");
        assert!(summary(&found).contains(SERVICE), "{found}");
        assert!(found["evidence"].as_array().is_some_and(|e| !e.is_empty()), "{found}");
        agent.wait_metric("rst_bursts_total", &[("cause", cause)], 1.0).unwrap();
        agent.wait_metric("rst_bursts_total", &[], 1.0).unwrap();
        found
    }

    /// Waits for an active finding about the VIP.
    pub(crate) fn finding(&self, agent: &Agent, kind: &str, parts: &[&str]) -> Value {
        let ours = |f: &Value| f["vip"] == self.vip.to_string() && says(&f["summary"], parts);
        agent.wait_finding(kind, "active", ours).unwrap()
    }
}

/// Checks that an agent has no findings of these kinds, active or resolved.
pub(crate) fn found_none(agent: &Agent, kinds: &[&str]) {
    for kind in kinds {
        for state in ["active", "resolved"] {
            assert_eq!(
                agent.findings_of(kind, state).unwrap(),
                Vec::<Value>::new(),
                "{}",
                agent.shown_findings()
            );
        }
    }
}
