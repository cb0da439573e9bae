//! What `explain` says beside what the enforcer does, for random policies.

mod policies;
mod world;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use lab::real::{Cluster, Scenario};
use serde_json::Value;

use world::{Kind, World};

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("explain_agrees_with_the_enforcer_from_pod_to_pod", |cluster| agrees(cluster, Kind::Pods)),
    scenario("explain_agrees_with_the_enforcer_through_services", |cluster| agrees(cluster, Kind::Services)),
    scenario("explain_agrees_with_the_enforcer_through_headless_names", |cluster| {
        agrees(cluster, Kind::Headless)
    }),
    scenario("explain_agrees_with_the_enforcer_from_a_pod_to_itself", |cluster| {
        agrees(cluster, Kind::Itself)
    }),
    scenario("explain_agrees_with_the_enforcer_through_the_own_nodes_port", |cluster| {
        agrees(cluster, Kind::OwnNode)
    }),
    scenario("explain_agrees_with_the_enforcer_through_another_nodes_port", |cluster| {
        agrees(cluster, Kind::OtherNode)
    }),
    scenario("explain_agrees_with_the_enforcer_through_load_balancers", |cluster| {
        agrees(cluster, Kind::Balancer)
    }),
    scenario("explain_agrees_with_the_enforcer_under_local_traffic_policies", |cluster| {
        agrees(cluster, Kind::Local)
    }),
    scenario("explain_agrees_with_the_enforcer_through_host_ports", |cluster| {
        agrees(cluster, Kind::HostPort)
    }),
    scenario("explain_agrees_with_the_enforcer_to_pods_in_their_nodes_network", |cluster| {
        agrees(cluster, Kind::HostNetwork)
    }),
    scenario("explain_agrees_with_the_enforcer_from_nodes", |cluster| agrees(cluster, Kind::FromNodes)),
    scenario("explain_agrees_with_the_enforcer_from_pods_in_their_nodes_network", |cluster| {
        agrees(cluster, Kind::FromHostNetwork)
    }),
    scenario("explain_agrees_with_the_enforcer_from_outside", |cluster| agrees(cluster, Kind::FromOutside)),
    scenario("explain_says_the_same_of_a_snapshot", |cluster| {
        let others = &outcome(cluster)?.of_snapshots;
        ensure!(others.is_empty(), "{} differ:\n{}", others.len(), others.join("\n"));
        Ok(())
    }),
    scenario("agents_report_no_contradiction_where_the_enforcer_does_as_it_should", |cluster| {
        let false_alarms = &outcome(cluster)?.false_alarms;
        ensure!(false_alarms.is_empty(), "{}", false_alarms.join("\n"));
        Ok(())
    }),
];

const fn scenario(name: &'static str, run: fn(&Cluster) -> Result<()>) -> Scenario {
    Scenario::new(name, Cluster::ensure_agents, run)
}

/// The number of random sets of policies, by `cargo xtask cluster test --policies`.
const ROUNDS: &str = "FLOW_OBSERVER_POLICIES";
/// The seed of the first set; each next one has the next number.
const SEED: &str = "FLOW_OBSERVER_SEED";

fn number(name: &str, default: Option<u64>) -> Result<u64> {
    match (std::env::var(name), default) {
        (Ok(text), _) => text.parse().with_context(|| format!("{name}={text}")),
        (Err(_), Some(default)) => Ok(default),
        (Err(_), None) => Err(anyhow!("{name} is not set")),
    }
}

/// What kube-router itself leaves to chance: which of two entries of one ipset it keeps.
const EITHER: &str =
    "one ipBlock of the rule admits a network that another one excepts, and kube-router keeps one of the two";

/// A set of policies: what it is called, and the policies.
type PolicySet = (String, Vec<Value>);

/// The sets that show the known deviations, and the random ones.
#[expect(clippy::print_stdout, reason = "who wants to repeat the run needs the seed")]
fn policy_sets() -> Result<Vec<PolicySet>> {
    let (rounds, seed) = (number(ROUNDS, None)?, number(SEED, Some(1))?);
    println!("{rounds} random sets of policies, {SEED}={seed}");
    let random = (seed..seed + rounds).map(|seed| (format!("seed {seed}"), policies::random(seed)));
    let known = policies::known().into_iter().map(|policies| ("known deviations".to_owned(), policies));
    Ok(known.chain(random).collect())
}

/// A connection that is tried: a question for `explain`, and an address for the client.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    kind: Kind,
    /// Index of the client.
    from: usize,
    to: String,
    /// The DNS name by which `explain` is asked. The cluster has no DNS server, so that a client needs the address.
    host: Option<String>,
    address: String,
}

/// What came of one kind of connections.
#[derive(Debug, Default)]
struct Compared {
    tried: usize,
    unknown: Vec<String>,
    wrong: Vec<String>,
}

/// What came of all.
#[derive(Debug, Default)]
struct Outcome {
    kinds: BTreeMap<Kind, Compared>,
    /// Answers of `explain` to files that differ from those of the agents.
    of_snapshots: Vec<String>,
    /// Findings of the agents that say that policies and enforcer disagree, or that an open connection would be refused.
    false_alarms: Vec<String>,
}

fn agrees(cluster: &Cluster, kind: Kind) -> Result<()> {
    let compared = outcome(cluster)?.kinds.get(&kind).context("nothing was tried")?;
    let Compared { tried, unknown, wrong } = compared;
    ensure!(wrong.is_empty(), "{} of {tried} were judged wrong:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(unknown.is_empty(), "{} of {tried} were not judged:\n{}", unknown.len(), unknown.join("\n"));
    Ok(())
}

/// The comparison, made once for all scenarios: each round takes seconds until the policies are enforced.
fn outcome(cluster: &Cluster) -> Result<&'static Outcome> {
    static OUTCOME: OnceLock<Result<Outcome, String>> = OnceLock::new();
    let outcome = OUTCOME.get_or_init(|| compare(cluster).map_err(|error| format!("{error:#}")));
    outcome.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// Compares each kind of connections under each set of policies.
#[expect(clippy::print_stdout, reason = "the number of connections is the result")]
fn compare(cluster: &Cluster) -> Result<Outcome> {
    let sets = policy_sets()?;
    let namespaces = cluster.temporary(&world::ALL);
    let world = World::start(cluster)?;
    let pairs = world.pairs();
    let mut outcome = Outcome::default();
    for (round, (name, policies)) in (0..).zip(&sets) {
        world.enforce(cluster, policies, round)?;
        let said = explained(cluster, &world, &pairs, &["--all-nodes"])?;
        let of_files = of_snapshot(cluster, &world, &pairs)?;
        let done = world.try_again(cluster, &pairs, &said)?;
        for (pair, answers) in pairs.iter().zip(said.iter().zip(&of_files)) {
            if answers.0["decision"] != answers.1["decision"] {
                let of = format!("{name}: {} -> {}", world.name(pair.from), pair.to);
                outcome.of_snapshots.push(format!("{of}: {}, but of a snapshot {}", answers.0, answers.1));
            }
        }
        for (pair, answer) in pairs.iter().zip(&said) {
            let connected = done.get(&pair.key()).context("a pair was not tried")?;
            let compared = outcome.kinds.entry(pair.kind).or_default();
            compared.add(*connected, answer, || {
                format!("{name}: {} -> {} ({})", world.name(pair.from), pair.to, pair.address)
            });
        }
    }
    outcome.false_alarms = false_alarms(cluster)?;
    println!("{} connections", outcome.kinds.values().map(|compared| compared.tried).sum::<usize>());
    namespaces.finish()?;
    Ok(outcome)
}

fn false_alarms(cluster: &Cluster) -> Result<Vec<String>> {
    let mut alarms = Vec::new();
    for namespace in world::ALL {
        let findings = cluster.findings(namespace)?.into_iter();
        let told = findings.filter(|f| f["kind"] == "enforcement_mismatch" || f["kind"] == "latent_denial");
        alarms.extend(told.map(|finding| finding.to_string()));
    }
    Ok(alarms)
}

impl Pair {
    fn key(&self) -> (usize, String) {
        (self.from, self.address.clone())
    }
}

impl World {
    /// Tries all pairs. On a busy machine a connection may just be late, so those that should have worked are tried again.
    fn try_again(&self, cluster: &Cluster, all: &[Pair], said: &[Value]) -> Result<Tried> {
        let mut done = self.try_all(cluster, all)?;
        let is_late = |pair: &Pair, answer: &Value| {
            answer["decision"] == "allow" && done.get(&pair.key()) == Some(&false)
        };
        let late = all.iter().zip(said).filter(|(pair, answer)| is_late(pair, answer));
        let late: Vec<Pair> = late.map(|(pair, _)| pair.clone()).collect();
        done.extend(self.try_all(cluster, &late)?);
        Ok(done)
    }
}

impl Compared {
    fn add(&mut self, connected: bool, answer: &Value, name: impl Fn() -> String) {
        self.tried += 1;
        let line = || format!("{}: connected {connected}, but {answer}", name());
        match answer["decision"].as_str() {
            Some("allow") if connected => {}
            Some("deny") if !connected => {}
            Some("unknown") if answer["explanation"].as_str().is_some_and(|why| why.contains(EITHER)) => {}
            Some("unknown") => self.unknown.push(line()),
            _ => self.wrong.push(line()),
        }
    }
}

/// The answers of `explain` to the cluster as `snapshot` writes it.
fn of_snapshot(cluster: &Cluster, world: &World, pairs: &[Pair]) -> Result<Vec<Value>> {
    let file = cluster.dir().join("snapshot.json");
    let written = cluster.ask(&["snapshot", &file.to_string_lossy()])?;
    ensure!(written.code == Some(0), "{written:?}");
    explained(cluster, world, pairs, &["--cluster", &format!("dir:{}", file.display())])
}

/// The answers of `explain --queries`, in the order of the pairs.
fn explained(cluster: &Cluster, world: &World, pairs: &[Pair], of: &[&str]) -> Result<Vec<Value>> {
    let questions: Vec<String> = pairs.iter().map(|pair| world.question(pair).to_string()).collect();
    let file = cluster.dir().join("questions.ndjson");
    std::fs::write(&file, questions.join("\n"))?;
    let answer = cluster.ask(&[&["explain", "--queries", &file.to_string_lossy()], of].concat())?;
    ensure!(matches!(answer.code, Some(0 | 1)), "{answer:?}");
    let answers: Result<Vec<Value>> =
        answer.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect();
    let answers = answers?;
    ensure!(answers.len() == pairs.len(), "{} answers to {} questions", answers.len(), pairs.len());
    Ok(answers)
}

/// What was tried: the client's index and the address, and whether it connected.
pub(crate) type Tried = BTreeMap<(usize, String), bool>;
