//! Measures verdicts at 1,000 policies and 10,000 pods: nanoseconds each, the cost of a change, and memory. The plain
//! evaluator runs as well, and must agree on every connection.

pub(crate) mod cluster;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Ruling};
use flow_model::inventory::Inventory;
use flow_model::policies::Protocol;
use flow_policy::{Compiled, Plain};

use cluster::{PODS, POLICIES, PORT, Shape};

const CONNECTIONS: usize = 10_000;
/// The number of rounds. The machine is shared, so the median of the rounds is reported.
const ROUNDS: usize = 21;
/// The limit for a verdict in nanoseconds, at 1,000 policies and 10,000 pods.
const BUDGET_VERDICT: u128 = 1_000;
const BUDGET_CHANGE: Duration = Duration::from_millis(10);
const BUDGET_OPEN: Duration = Duration::from_millis(100);

pub(crate) fn run() -> Result<()> {
    println!("verdicts: {POLICIES} policies, {PODS} pods, median of {ROUNDS} rounds (min to max)");
    [100, 1].into_iter().try_for_each(|namespaces| run_in(Shape { namespaces }))
}

fn run_in(shape: Shape) -> Result<()> {
    println!(" in {} namespace(s)", shape.namespaces);
    let inventory = Arc::new(shape.inventory()?);
    let full = rounds(|| drop(black_box(Compiled::new(Arc::clone(&inventory)))));
    let compiled = Compiled::new(Arc::clone(&inventory));
    let plain = Plain::new(Arc::clone(&inventory));
    let kinds = kinds(&inventory, &compiled);
    for (name, connections) in &kinds {
        verdicts(name, connections, &compiled, &plain)?;
    }
    open_connections(&kinds, &compiled);
    line("full compile", full, None);
    changes(shape, &inventory, compiled.clone())?;
    println!("  {:<34} {:.1} MiB beside the inventory, estimated", "memory", mib(compiled.memory()));
    Ok(())
}

/// Connections by their kind and verdict.
fn kinds<'a>(inventory: &'a Inventory, compiled: &Compiled) -> Vec<(&'static str, Vec<Connection<'a>>)> {
    let random = |n: usize| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let pod = |n: usize| {
        let pod = &inventory.pods[n % PODS];
        Party { ip: pod.ips.first().copied(), who: Who::Pod(pod) }
    };
    let to = |src, dst| Connection { src, dst, protocol: Protocol::Tcp, port: PORT };
    let between = |decision: Decision| {
        let all = (0..).map(|n| to(pod(random(n)), pod(random(n ^ 0x5555))));
        all.filter(|connection| compiled.rule(connection).decision() == decision).take(CONNECTIONS).collect()
    };
    let outside = |n: usize| {
        let ip = Ipv4Addr::new(198, n as u8 % 16, n as u8, 7);
        Party { ip: Some(IpAddr::V4(ip)), who: Who::External }
    };
    let external = (0..CONNECTIONS).map(|n| to(outside(random(n)), pod(random(n ^ 0x3333)))).collect();
    vec![
        ("pod to pod, allowed", between(Decision::Allow)),
        ("pod to pod, denied", between(Decision::Deny)),
        ("external to pod", external),
    ]
}

fn verdicts(name: &str, connections: &[Connection<'_>], compiled: &Compiled, plain: &Plain) -> Result<()> {
    let each = |rule: &dyn Fn(&Connection<'_>) -> Ruling| {
        let all =
            || connections.iter().map(rule).filter(|ruling| ruling.decision() == Decision::Deny).count();
        let time = rounds(|| drop(black_box(all().to_string())));
        time.map(|time| time.as_nanos() / connections.len() as u128)
    };
    let (fast, slow) = (each(&|c| compiled.rule(c)), each(&|c| plain.rule(c)));
    let within = if fast[1] <= BUDGET_VERDICT { "within" } else { "OVER" };
    println!(
        "  {name:<34} {} ns ({} to {}), {within} the {BUDGET_VERDICT} ns budget; plain {} ns ({} to {})",
        fast[1], fast[0], fast[2], slow[1], slow[0], slow[2]
    );
    let disagree = connections.iter().filter(|c| compiled.rule(c) != plain.rule(c)).count();
    ensure!(disagree == 0, "{name}: the two evaluators disagree on {disagree} connections");
    Ok(())
}

fn open_connections(kinds: &[(&str, Vec<Connection<'_>>)], compiled: &Compiled) {
    let mixed = |n: usize| &kinds[n % kinds.len()].1;
    let open: Vec<_> = (0..CONNECTIONS).map(|n| mixed(n)[n % mixed(n).len()]).collect();
    let time = rounds(|| {
        let denied = open.iter().filter(|c| compiled.rule(c).decision() == Decision::Deny).count();
        drop(black_box(denied.to_string()));
    });
    line("10,000 open connections", time, Some(BUDGET_OPEN));
}

/// Measures the cost of a change, each time of another one.
fn changes(shape: Shape, inventory: &Arc<Inventory>, mut compiled: Compiled) -> Result<()> {
    let mut next = Inventory::clone(inventory);
    let mut change = |name: &str, budget, edit: &dyn Fn(&mut Inventory, usize)| {
        let times = (0..ROUNDS).map(|n| {
            edit(&mut next, n);
            let published = Arc::new(next.clone());
            let began = Instant::now();
            compiled.update(published);
            began.elapsed()
        });
        line(name, spread(times.collect()), budget);
    };
    change("one policy changes", Some(BUDGET_CHANGE), &|inventory, n| {
        let changed = Arc::new(cluster::admit(n % shape.namespaces, n % 6, n + 1));
        let policies = &mut inventory.policies.namespaced;
        let same = |policy: &str, namespace: &str| policy == changed.name && namespace == changed.namespace;
        if let Some(policy) = policies.iter_mut().find(|policy| same(&policy.name, &policy.namespace)) {
            *policy = changed;
        }
    });
    change("one policy goes", Some(BUDGET_CHANGE), &|inventory, n| {
        drop(inventory.policies.namespaced.remove(n * 7));
    });
    change("one pod comes", Some(BUDGET_CHANGE), &|inventory, n| {
        let mut pod = shape.pod(n);
        pod.name = format!("new-{n}").into();
        pod.labels.insert("new".into(), format!("{n}").into());
        inventory.pods.push(Arc::new(pod));
    });
    change("one pod goes", Some(BUDGET_CHANGE), &|inventory, n| drop(inventory.pods.swap_remove(n)));
    change("one namespace's labels change", Some(BUDGET_CHANGE), &|inventory, n| {
        let mut namespace = cluster::namespace(n % shape.namespaces);
        namespace.labels.insert("team".into(), format!("team-{}", n + 1).into());
        inventory.namespaces[n % shape.namespaces] = Arc::new(namespace);
    });
    change("everything is read again", None, &|inventory, _| {
        inventory.pods.iter_mut().for_each(|pod| *pod = Arc::new((**pod).clone()));
        inventory.policies.namespaced.iter_mut().for_each(|policy| *policy = Arc::new((**policy).clone()));
        inventory.namespaces.iter_mut().for_each(|namespace| *namespace = Arc::new((**namespace).clone()));
    });
    same_as_new(&compiled)
}

/// Checks that the result of all changes equals a new compilation.
fn same_as_new(compiled: &Compiled) -> Result<()> {
    let fresh = Compiled::new(Arc::clone(compiled.inventory()));
    for (name, connections) in kinds(compiled.inventory(), compiled) {
        let disagree = connections.iter().filter(|c| compiled.rule(c) != fresh.rule(c)).count();
        ensure!(disagree == 0, "{name}: after changes {disagree} connections are judged otherwise");
    }
    Ok(())
}

fn line(name: &str, [min, median, max]: [Duration; 3], budget: Option<Duration>) {
    let within = budget.map_or_else(String::new, |budget| {
        let within = if median <= budget { "within" } else { "OVER" };
        format!(", {within} the {} ms budget", budget.as_millis())
    });
    println!("  {name:<34} {:.2} ms ({:.2} to {:.2}){within}", millis(median), millis(min), millis(max));
}

fn rounds(mut what: impl FnMut()) -> [Duration; 3] {
    let time = |()| {
        let began = Instant::now();
        what();
        began.elapsed()
    };
    spread(std::iter::repeat_n((), ROUNDS).map(time).collect())
}

/// Returns minimum, median and maximum.
fn spread(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    [times[0], times[times.len() / 2], times[times.len() - 1]]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
