//! Measures the agent's memory beside a large cluster, which it reads from a real API server.

mod objects;

use anyhow::{Context as _, Result, ensure};
use lab::agent::Agent;
use lab::kube::{ApiServer, Place};
use lab::world::World;
use serde_json::Value;

use crate::load::memory_kib;

/// The limit for the agent's memory, during and after its start.
const BUDGET_MIB: f64 = 60.0;

pub(crate) fn run() -> Result<()> {
    println!("kube: memory beside a cluster");
    let world = World::new()?;
    let place = Place::Inside(world.node.ns.clone());
    let api = ApiServer::start(&place, &world.guard.dir().join("kube"))?;
    for (kind, count, make) in objects::ALL {
        let bytes = fill(&api, count, make).with_context(|| kind.to_owned())?;
        println!("  {count:>6} {kind:<14} {:>6.1} MiB of JSON, {} bytes each", mib(bytes), bytes / count);
    }
    let kubeconfig = api.agent()?;
    let args = ["--kubeconfig", &kubeconfig.to_string_lossy()];
    let agent = Agent::start(&world.node.ns, &world.node.name, "kube", world.guard.dir(), &args)?;
    agent.wait_for("every kind to be in step", |a| all_synced(a).ok()?.then_some(()))?;
    for (kind, count, _) in objects::ALL {
        let labels = [("kind", kind)];
        // The server has a few of its own.
        let all = |a: &Agent| a.metric("cluster_objects", &labels).is_ok_and(|known| known >= count as f64);
        agent.wait_for(&format!("{count} of {kind}"), |a| all(a).then_some(()))?;
    }
    let [rss, peak] = [memory_kib(&agent, "VmRSS:")? / 1024.0, memory_kib(&agent, "VmHWM:")? / 1024.0];
    println!("  agent RSS {rss:.1} MiB, peak {peak:.1} MiB, budget {BUDGET_MIB} MiB");
    agent.kill()?;
    ensure!(rss.max(peak) <= BUDGET_MIB, "the agent takes more than {BUDGET_MIB} MiB");
    Ok(())
}

/// Makes `count` objects, and returns their size as text.
fn fill(api: &ApiServer, count: usize, make: fn(usize) -> Value) -> Result<usize> {
    let objects: Vec<Value> = (0..count).map(make).collect();
    api.fill(&objects)?;
    Ok(objects.iter().map(|object| object.to_string().len()).sum())
}

fn all_synced(agent: &Agent) -> Result<bool> {
    let metrics = agent.metrics()?;
    let mut synced = metrics.iter().filter(|s| s.name == "flow_observer_cluster_synced").peekable();
    Ok(synced.peek().is_some() && synced.all(|sample| sample.value == 1.0))
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
