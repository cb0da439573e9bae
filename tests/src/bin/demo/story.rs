//! The incident: a rename drops a namespace from Postgres' NetworkPolicy; nothing happens until a pod restarts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Result, bail};
use lab::agent::{Agent, LISTEN};
use lab::cluster::ServiceSpec;
use lab::firewall::{Firewall, Refusal};
use lab::pod::Pod;
use lab::policy;
use lab::traffic::{Conversation, Server, connect};
use lab::wait;
use lab::world::World;
use serde_json::{Value, json};

use crate::args::Args;
use crate::audit;
use crate::narrator::Narrator;
use crate::tail::Tail;

const PORT: u16 = 5432;
const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 43, 239, 89));
const POLICY: &str = "default-deny-ingress";
/// Namespaces that the policy admits, before the rename and after.
const ADMITTED: [&str; 2] = ["pal-e-app", "pal-e-docs"];
/// The number of attempts of the new pod, as in a crash loop.
const TRIES: usize = 3;
/// The time that the last lines of the tail may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Field order is drop order: processes and sockets first, the lab last.
struct Stage {
    tail: Option<Tail>,
    agent: Agent,
    firewall: Firewall,
    _serving: Server,
    app: Pod,
    _postgres: Pod,
    world: World,
    shown: usize,
}

/// Plays the incident.
pub(crate) fn play(args: &Args, narrator: &mut Narrator) -> Result<()> {
    narrator
        .step("Build node archbox: pods in network namespaces, a ClusterIP, a policy firewall, the agent");
    let (mut stage, docs) = Stage::build(narrator.json())?;

    narrator.step(&format!("pal-e-docs and pal-e-app connect to postgres at {VIP}:{PORT}"));
    let mut open = stage.connect(&docs, narrator)?;
    drop(stage.connect(&stage.app, narrator)?);
    stage.show(2, narrator)?;

    narrator.step(&format!("A rename drops namespace pal-e-docs from NetworkPolicy postgres/{POLICY}"));
    stage.break_policy(&docs)?;
    open.echo()?;
    narrator.client(&docs.name, "the open connection goes on: policies act on new connections only");
    stage.show(0, narrator)?;
    stage.find("latent_denial", "active", narrator)?;

    narrator.step("Five days later the pod of pal-e-docs restarts, and connects again");
    drop(open);
    let new = stage.world.replace_pod(&stage.agent, docs, "pal-e-docs-6b55489545-v4jvv")?;
    for _ in 0..TRIES {
        stage.be_refused(&new, narrator)?;
    }
    drop(stage.connect(&stage.app, narrator)?);
    stage.show(TRIES + 1, narrator)?;
    stage.find("policy_denied", "active", narrator)?;

    narrator.step("The fix: the policy admits pal-e-docs again");
    stage.fix_policy(&new)?;
    stage.find("latent_denial", "resolved", narrator)?;
    stage.find("policy_denied", "resolved", narrator)?;
    drop(stage.connect(&new, narrator)?);
    stage.show(1, narrator)?;

    narrator.step("The same rename as a pull request: audit judges it by the flows that the agent has seen");
    audit::play(&stage.world, &broken(), narrator)?;

    stage.sum_up(args, narrator)?;
    if args.keep {
        return stage.keep(&new);
    }
    stage.tail = None;
    stage.agent.stop()
}

impl Stage {
    fn build(quiet: bool) -> Result<(Self, Pod)> {
        let world = World::named("archbox")?;
        let postgres = world.pod_named("postgres", "pal-e-postgres-1")?;
        let docs = world.pod_named("pal-e-docs", "pal-e-docs-6c7fdd96d7-fll8h")?;
        let app = world.pod_named("pal-e-app", "pal-e-app-7d9c6b5f48-x2k9p")?;
        let serving = Server::start(&postgres.ns, PORT)?;
        let spec = ServiceSpec {
            namespace: "postgres",
            name: "pal-e-postgres-rw",
            cluster_ips: &[VIP],
            port: PORT,
            target_port: PORT,
        };
        world.service(&spec, &postgres)?;
        world.cluster.apply(&policy::managed_by(whole(), "kubectl"))?;
        let firewall = Firewall::new(&world.node, &postgres, (PORT, PORT), Refusal::PortUnreachable)?;
        firewall.allow_pod(&docs)?;
        firewall.allow_pod(&app)?;
        let agent = world.agent(&[])?;
        let tail = if quiet { None } else { Some(Tail::start(&world.node.ns)?) };
        let stage =
            Self { tail, agent, firewall, _serving: serving, app, _postgres: postgres, world, shown: 0 };
        Ok((stage, docs))
    }

    fn connect(&self, pod: &Pod, narrator: &Narrator) -> Result<Conversation> {
        let mut open = connect(&pod.ns, database())?;
        open.echo()?;
        narrator.client(&pod.name, "connected");
        Ok(open)
    }

    fn be_refused(&self, pod: &Pod, narrator: &Narrator) -> Result<()> {
        match connect(&pod.ns, database()) {
            Ok(_) => bail!("{} got through a policy that denies it", pod.name),
            Err(error) => narrator.client(&pod.name, &error.to_string()),
        }
        Ok(())
    }

    fn break_policy(&self, docs: &Pod) -> Result<()> {
        self.world.cluster.apply(&policy::managed_by(broken(), "OpenTofu"))?;
        self.firewall.deny_pod(docs)
    }

    fn fix_policy(&self, docs: &Pod) -> Result<()> {
        self.world.cluster.apply(&policy::managed_by(whole(), "OpenTofu"))?;
        self.firewall.allow_pod(docs)
    }

    /// Waits for a finding about pal-e-docs and shows it.
    fn find(&self, kind: &str, state: &str, narrator: &Narrator) -> Result<()> {
        let of_docs = |f: &Value| f["src"]["namespace"] == "pal-e-docs";
        narrator.finding(&self.agent.wait_finding(kind, state, of_docs)?);
        Ok(())
    }

    /// Shows the agent's records since the last call, once there are at least `attempts` attempts.
    fn show(&mut self, attempts: usize, narrator: &Narrator) -> Result<()> {
        let shown = self.shown;
        let of_kind = |records: &[Value]| records.iter().filter(|r| r["kind"] == "attempt").count();
        let records = self.agent.wait_for("the agent to record the attempts", |agent| {
            let new = agent.flows("").ok()?.split_off(shown);
            (of_kind(&new) >= attempts).then_some(new)
        })?;
        self.shown += records.len();
        match &self.tail {
            Some(tail) => tail.next(records.len(), PATIENCE).iter().for_each(|line| narrator.tail(line)),
            None => records.iter().for_each(|record| narrator.record(record)),
        }
        Ok(())
    }

    fn sum_up(&self, args: &Args, narrator: &Narrator) -> Result<()> {
        let mut outcomes = BTreeMap::new();
        for record in self.agent.flows("kind=attempt")? {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            let who = text(&record["src"]["namespace"]);
            *outcomes.entry((who, text(&record["outcome"]))).or_insert(0_u64) += 1;
        }
        let node = self.world.node.ns.name();
        let mut lines = vec!["Summary: what the agent on archbox counted towards postgres:5432".to_owned()];
        lines.extend(outcomes.iter().map(|((who, outcome), n)| format!("   {n} {outcome:<12} from {who}")));
        lines.push("The client saw \"Connection refused\", as from a closed port. The agent named the policy, and five days earlier".to_owned());
        lines.push("the open connection that the policy would refuse.".to_owned());
        let urls = ["metrics", "api/v1/flows", "api/v1/pairs", "api/v1/findings"]
            .map(|path| format!("http://{LISTEN}/{path}"));
        lines.push(format!("\nURLs, inside the node's namespace {node}:"));
        lines.extend(urls.iter().map(|url| format!("   {url}")));
        if args.keep {
            lines.push(format!(
                "The lab runs until Ctrl-C, the policy broken again. Reach it with e.g.\n   ip netns exec {node} curl -sN {}",
                urls[1]
            ));
        } else {
            lines.push("`--keep` leaves the lab running to explore them.".to_owned());
        }
        let counted: Vec<_> = outcomes
            .iter()
            .map(|((who, outcome), n)| json!({"src_namespace": who, "outcome": outcome, "attempts": n}))
            .collect();
        narrator.summary(&lines, &json!({"attempts": counted, "netns": node, "urls": urls}));
        Ok(())
    }

    /// Breaks the policy again and continues the incident until a signal, so that there is something to explore.
    fn keep(&self, docs: &Pod) -> Result<()> {
        let _open = connect(&docs.ns, database())?;
        self.break_policy(docs)?;
        loop {
            drop(connect(&docs.ns, database()));
            drop(connect(&self.app.ns, database()));
            let stop = || wait::interrupted().then_some(());
            if wait::until("a signal", Duration::from_secs(2), stop).is_ok() || wait::interrupted() {
                return Ok(());
            }
        }
    }
}

fn database() -> SocketAddr {
    SocketAddr::new(VIP, PORT)
}

/// Returns the policy as it should be.
fn whole() -> Value {
    policy::admitting("postgres", POLICY, &ADMITTED)
}

/// Returns the policy after the rename.
fn broken() -> Value {
    policy::admitting("postgres", POLICY, &ADMITTED[..1])
}
