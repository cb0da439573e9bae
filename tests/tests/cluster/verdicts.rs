//! What `explain` says beside what the enforcer does, for random policies.

mod policies;
mod world;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use anyhow::{Context as _, Result, anyhow, ensure};
use lab::real::{Cluster, Scenario};
use serde_json::Value;

use world::World;

pub(crate) const SCENARIOS: &[Scenario] = &[
    scenario("explain_agrees_with_the_enforcer_from_pod_to_pod", |cluster| agrees(cluster, 0)),
    scenario("explain_agrees_with_the_enforcer_through_services", |cluster| agrees(cluster, 1)),
    scenario("explain_agrees_with_the_enforcer_from_a_pod_to_itself", |cluster| agrees(cluster, 2)),
    scenario("explain_agrees_with_the_enforcer_through_the_own_nodes_port", |cluster| agrees(cluster, 3)),
    scenario("explain_agrees_with_the_enforcer_through_another_nodes_port", |cluster| agrees(cluster, 4)),
    scenario("explain_agrees_with_the_enforcer_through_load_balancers", |cluster| agrees(cluster, 5)),
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
    from: usize,
    to: String,
    address: String,
}

/// What came of one kind of connections.
#[derive(Debug, Default)]
struct Compared {
    tried: usize,
    unknown: usize,
    wrong: Vec<String>,
}

fn agrees(cluster: &Cluster, kind: usize) -> Result<()> {
    let Compared { tried, unknown, wrong } = &outcome(cluster)?[kind];
    ensure!(*tried > 0, "nothing was tried");
    ensure!(wrong.is_empty(), "{} of {tried} were judged wrong:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(*unknown == 0, "{unknown} of {tried} connections between known pods were not judged");
    Ok(())
}

/// The comparison, made once for all scenarios: each round takes seconds until the policies are enforced.
fn outcome(cluster: &Cluster) -> Result<&'static [Compared; world::KINDS]> {
    static OUTCOME: OnceLock<Result<[Compared; world::KINDS], String>> = OnceLock::new();
    let outcome = OUTCOME.get_or_init(|| compare(cluster).map_err(|error| format!("{error:#}")));
    outcome.as_ref().map_err(|error| anyhow!(error.clone()))
}

/// Compares each kind of connections under each set of policies.
fn compare(cluster: &Cluster) -> Result<[Compared; world::KINDS]> {
    let sets = policy_sets()?;
    let namespaces = cluster.temporary(&world::ALL);
    let world = World::start(cluster)?;
    let kinds = world.kinds();
    let all = kinds.concat();
    let mut compared = <[Compared; world::KINDS]>::default();
    for (round, (name, policies)) in (0..).zip(&sets) {
        world.enforce(cluster, policies, round)?;
        let said = explained(cluster, &world, &all)?;
        let done = world.try_again(cluster, &all, &said)?;
        let mut said = said.into_iter();
        for (pairs, compared) in kinds.iter().zip(&mut compared) {
            for (pair, answer) in pairs.iter().zip(&mut said) {
                let connected = done.get(&pair.key()).context("a pair was not tried")?;
                compared.add(*connected, &answer, || {
                    format!("{name}: {} -> {} ({})", world.name(pair.from), pair.to, pair.address)
                });
            }
        }
    }
    namespaces.finish()?;
    Ok(compared)
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
