//! What `explain` says beside what the enforcer does, for random policies.

mod policies;
mod world;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use lab::real::{Cluster, KnownFault, Scenario};
use serde_json::Value;

use policies::Shape;
use world::World;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "explain_agrees_with_the_enforcer_from_pod_to_pod", run: pods, known_fault: None },
    Scenario { name: "explain_agrees_with_the_enforcer_through_services", run: services, known_fault: None },
    Scenario {
        name: "explain_agrees_with_the_enforcer_through_node_ports",
        run: node_ports,
        known_fault: Some(NODE_PORTS),
    },
];

const NODE_PORTS: KnownFault = KnownFault { name: "V1", shows: "were judged wrong" };

/// The number of random sets of policies, by `cargo xtask cluster test --policies`.
const ROUNDS: &str = "FLOW_OBSERVER_POLICIES";
/// Rounds can be repeated: each has its number as seed.
const FIRST_SEED: u64 = 1;

fn rounds() -> Result<u64> {
    let text = std::env::var(ROUNDS).with_context(|| format!("{ROUNDS} is not set"))?;
    text.parse().with_context(|| format!("{ROUNDS}={text}"))
}

fn pods(cluster: &Cluster) -> Result<()> {
    outcome(cluster)?[0].agrees()
}

fn services(cluster: &Cluster) -> Result<()> {
    outcome(cluster)?[1].agrees()
}

fn node_ports(cluster: &Cluster) -> Result<()> {
    outcome(cluster)?[2].agrees()
}

/// A connection that is tried: a question for `explain`, and an address for the client.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    from: usize,
    to: String,
    address: String,
}

/// What came of one set of connections.
#[derive(Debug, Default)]
struct Compared {
    tried: usize,
    unknown: usize,
    wrong: Vec<String>,
}

impl Compared {
    fn agrees(&self) -> Result<()> {
        let Self { tried, unknown, wrong } = self;
        ensure!(*tried > 0, "nothing was tried");
        ensure!(wrong.is_empty(), "{} of {tried} were judged wrong:\n{}", wrong.len(), wrong.join("\n"));
        ensure!(*unknown == 0, "{unknown} of {tried} connections between known pods were not judged");
        Ok(())
    }
}

/// The comparison, made once for all scenarios: each round takes seconds until the policies are enforced.
fn outcome(cluster: &Cluster) -> Result<&'static [Compared; 3]> {
    static OUTCOME: OnceLock<Result<[Compared; 3], String>> = OnceLock::new();
    let outcome = OUTCOME.get_or_init(|| compare(cluster).map_err(|error| format!("{error:#}")));
    outcome.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// Compares the connections from pod to pod, through Services, and through node ports.
fn compare(cluster: &Cluster) -> Result<[Compared; 3]> {
    let world = World::start(cluster)?;
    let sets = [world.pod_pairs(), world.service_pairs(), world.node_port_pairs()];
    let mut compared = <[Compared; 3]>::default();
    for seed in FIRST_SEED..FIRST_SEED + rounds()? {
        world.enforce(cluster, &policies::random(seed, Shape::OneDirection), seed)?;
        let all = sets.concat();
        let said = explained(cluster, &world, &all)?;
        let mut done = world.try_all(cluster, &all)?;
        // On a busy machine a connection may just be late, so those that should have worked are tried again.
        let late: Vec<Pair> = all
            .iter()
            .zip(&said)
            .filter(|(pair, answer)| {
                answer["decision"] == "allow" && done.get(&(pair.from, pair.address.clone())) == Some(&false)
            })
            .map(|(pair, _)| pair.clone())
            .collect();
        done.extend(world.try_all(cluster, &late)?);
        let mut said = said.into_iter();
        for (pairs, compared) in sets.iter().zip(&mut compared) {
            for (pair, answer) in pairs.iter().zip(&mut said) {
                let connected =
                    done.get(&(pair.from, pair.address.clone())).context("a pair was not tried")?;
                compared.add(*connected, &answer, || {
                    format!("seed {seed}: {} -> {}", world.name(pair.from), pair.to)
                });
            }
        }
    }
    world.stop(cluster)?;
    Ok(compared)
}

impl Compared {
    fn add(&mut self, connected: bool, answer: &Value, name: impl Fn() -> String) {
        self.tried += 1;
        match answer["decision"].as_str() {
            Some("allow") if connected => {}
            Some("deny") if !connected => {}
            Some("unknown") => self.unknown += 1,
            _ => self.wrong.push(format!("{}: connected {connected}, but {answer}", name())),
        }
    }
}

/// The answers of `explain --queries`, in the order of the pairs.
fn explained(cluster: &Cluster, world: &World, pairs: &[Pair]) -> Result<Vec<Value>> {
    let questions: Vec<String> = pairs.iter().map(|pair| world.question(pair).to_string()).collect();
    let file = cluster.dir().join("questions.ndjson");
    std::fs::write(&file, questions.join("\n"))?;
    let answer = cluster.ask(&["explain", "--all-nodes", "--queries", &file.to_string_lossy()])?;
    ensure!(matches!(answer.code, Some(0 | 1)), "{answer:?}");
    let answers: Result<Vec<Value>> =
        answer.stdout.lines().map(|line| Ok(serde_json::from_str(line)?)).collect();
    let answers = answers?;
    ensure!(answers.len() == pairs.len(), "{} answers to {} questions", answers.len(), pairs.len());
    Ok(answers)
}

/// What was tried: the client's index and the address, and whether it connected.
pub(crate) type Tried = BTreeMap<(usize, String), bool>;
