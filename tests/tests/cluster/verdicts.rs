//! What `explain` says beside what the enforcer does, for random policies.

mod policies;
mod world;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use lab::real::{Cluster, Scenario};
use serde_json::Value;

use policies::Shape;
use world::World;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "explain_agrees_with_the_enforcer_from_pod_to_pod", run: pods, known_fault: None },
    Scenario { name: "explain_agrees_with_the_enforcer_through_services", run: services, known_fault: None },
    Scenario {
        name: "explain_agrees_with_the_enforcer_through_node_ports",
        run: node_ports,
        known_fault: Some("V1"),
    },
];

/// The number of random sets of policies, by `cargo xtask cluster test --policies`.
const ROUNDS: &str = "FLOW_OBSERVER_POLICIES";
/// Rounds can be repeated: each has its number as seed.
const FIRST_SEED: u64 = 1;

fn rounds() -> Result<u64> {
    let text = std::env::var(ROUNDS).with_context(|| format!("{ROUNDS} is not set"))?;
    text.parse().with_context(|| format!("{ROUNDS}={text}"))
}

fn pods(cluster: &Cluster) -> Result<()> {
    compared(cluster, Shape::OneDirection, World::pod_pairs)
}

fn services(cluster: &Cluster) -> Result<()> {
    compared(cluster, Shape::OneDirection, World::service_pairs)
}

fn node_ports(cluster: &Cluster) -> Result<()> {
    compared(cluster, Shape::OneDirection, World::node_port_pairs)
}

/// A connection that is tried: a question for `explain`, and an address for the client.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    from: usize,
    to: String,
    address: String,
}

fn compared(cluster: &Cluster, shape: Shape, pairs: impl Fn(&World) -> Vec<Pair>) -> Result<()> {
    let world = World::start(cluster)?;
    let pairs = pairs(&world);
    let (mut tried, mut unknown, mut wrong) = (0, 0, Vec::new());
    for seed in FIRST_SEED..FIRST_SEED + rounds()? {
        let set = policies::random(seed, shape);
        world.enforce(cluster, &set, seed)?;
        let (done, said) = (world.try_all(cluster, &pairs)?, explained(cluster, &world, &pairs)?);
        for (pair, answer) in pairs.iter().zip(said) {
            tried += 1;
            let connected =
                done.get(&(pair.from, pair.address.clone())).copied().context("a pair was not tried")?;
            match answer["decision"].as_str() {
                Some("allow") if connected => {}
                Some("deny") if !connected => {}
                Some("unknown") => unknown += 1,
                _ => wrong.push(format!(
                    "seed {seed}: {} -> {}: connected {connected}, but {answer}",
                    world.name(pair.from),
                    pair.to
                )),
            }
        }
    }
    world.stop(cluster)?;
    ensure!(unknown == 0, "{unknown} of {tried} connections between known pods were not judged");
    ensure!(wrong.is_empty(), "{} of {tried} were judged wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
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
