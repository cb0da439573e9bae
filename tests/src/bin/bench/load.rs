//! Measures the agent under a connection storm: 100 pods, as close to 20,000 connections per second as the machine
//! gets.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lab::agent::Agent;
use lab::pod::Pod;
use lab::world::World;

const PODS: usize = 100;
const CLIENTS: usize = 50;
const RATE: u64 = 20_000;
const SECONDS: u64 = 30;
const PORT: u16 = 8080;
/// The value of `CLK_TCK` on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

pub(crate) fn run() -> Result<()> {
    let world = World::new()?;
    let pods = (0..PODS).map(|n| world.pod("bench", &format!("w{n}"))).collect::<Result<Vec<Pod>>>()?;
    // Otherwise the connection table would be full after 13 s, and the kernel would drop connections.
    for state in ["time_wait", "close", "close_wait", "last_ack", "fin_wait"] {
        world.node.ns.sysctl(&format!("net.netfilter.nf_conntrack_tcp_timeout_{state}"), "1")?;
    }
    let agent = world.agent(&[])?;
    let stop = Arc::new(AtomicBool::new(false));
    let servers: Vec<_> = pods[CLIENTS..].iter().map(|pod| serve(pod, &stop)).collect();
    let before = cpu_seconds(&agent)?;
    let began = Instant::now();
    let made = storm(&pods)?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&agent)? - before;
    let (rss, peak) = (memory_kib(&agent, "VmRSS:")?, memory_kib(&agent, "VmHWM:")?);
    let counted = agent.wait_for("every connection to be counted", |a| {
        let established = a.metric("connection_attempts_total", &[("outcome", "established")]).ok()?;
        (established >= made as f64).then_some(established)
    })?;
    let lost = agent.metric("events_lost_total", &[("stage", "ring")])?;
    stop.store(true, Ordering::Relaxed);
    for (server, pod) in servers.into_iter().zip(&pods[CLIENTS..]) {
        // A last connection wakes the acceptor.
        pod.ns.run(|| drop(TcpStream::connect(pod.at(PORT))));
        drop(server.join());
    }
    println!(
        "load: {made} connections in {seconds:.1} s ({:.0} a second of {RATE} asked for), {PODS} pods known",
        made as f64 / seconds
    );
    println!(
        "  agent CPU {:.1} % of one core, RSS {:.1} MiB, peak {:.1} MiB",
        cpu / seconds * 100.0,
        rss / 1024.0,
        peak / 1024.0
    );
    println!("  counted {counted}, ring records lost {lost}");
    // The kernel waits a grace period for each detached TCX link. With 200 of them that would distort the figure.
    agent.kill()
}

fn serve(pod: &Pod, stop: &Arc<AtomicBool>) -> thread::JoinHandle<()> {
    let (at, stop) = (pod.at(PORT), Arc::clone(stop));
    let listener = pod.ns.run(|| TcpListener::bind(at));
    thread::spawn(move || {
        let Ok(listener) = listener else { return };
        while !stop.load(Ordering::Relaxed) {
            drop(listener.accept());
        }
    })
}

/// Returns the number of connections that all clients made in the time given, each at its share of the rate.
fn storm(pods: &[Pod]) -> Result<u64> {
    let (clients, servers) = pods.split_at(CLIENTS);
    let made = AtomicU64::new(0);
    let share = Duration::from_nanos(1_000_000_000 * CLIENTS as u64 / RATE);
    thread::scope(|scope| {
        for (client, server) in clients.iter().zip(servers) {
            let (made, to) = (&made, server.at(PORT));
            scope.spawn(move || client.ns.run(|| drive(to, share, made)));
        }
    });
    Ok(made.into_inner())
}

fn drive(to: SocketAddr, share: Duration, made: &AtomicU64) {
    let began = Instant::now();
    let mut due = began;
    while began.elapsed() < Duration::from_secs(SECONDS) {
        if TcpStream::connect(to).is_ok() {
            made.fetch_add(1, Ordering::Relaxed);
        }
        due += share;
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
    }
}

/// Returns user and system time of the agent: fields 14 and 15 of `/proc/PID/stat`.
pub(crate) fn cpu_seconds(agent: &Agent) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid()))?;
    let rest = stat.rsplit_once(')').context("/proc/PID/stat has no name")?.1;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse::<f64>).sum::<Result<f64, _>>()?;
    Ok(ticks / TICKS_PER_SECOND)
}

pub(crate) fn memory_kib(agent: &Agent, field: &str) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid()))?;
    let line = status.lines().find_map(|l| l.strip_prefix(field)).with_context(|| format!("no {field}"))?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
