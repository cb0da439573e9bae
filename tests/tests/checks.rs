//! Synthetic checks, from a node through its Services.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::fs;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use lab::agent::Agent;
use lab::cluster::ServiceSpec;
use lab::pod::Pod;
use lab::world::World;
use serde_json::Value;
use socket2::SockRef;

const PORT: u16 = 8080;

/// Keeps connections until the client closes, or resets them on request.
struct Holder {
    listener: Arc<TcpListener>,
    resetting: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Holder {
    fn start(pod: &Pod) -> Self {
        let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT));
        let listener = Arc::new(pod.ns.run(listen).unwrap());
        let resetting = Arc::new(AtomicBool::new(false));
        let (accepting, reset) = (Arc::clone(&listener), Arc::clone(&resetting));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = accepting.accept() {
                let reset = Arc::clone(&reset);
                thread::spawn(move || hold(&stream, &reset));
            }
        });
        Self { listener, resetting, thread: Some(thread) }
    }

    /// Resets connections, as a host does to which the address has moved.
    fn reset_all(&self) {
        self.resetting.store(true, Ordering::SeqCst);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(SockRef::from(&*self.listener).shutdown(Shutdown::Both));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn hold(mut stream: &TcpStream, reset: &AtomicBool) {
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        // First of all, so that the client has seen that it is connected.
        match stream.read(&mut [0; 64]) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            Ok(_) | Err(_) => {}
        }
        if reset.load(Ordering::SeqCst) {
            return SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Starts an agent with these `[[check]]` tables.
fn agent(world: &World, checks: &str) -> Agent {
    let file = world.guard.dir().join("agent.toml");
    fs::write(&file, checks).unwrap();
    world.agent(&["--config", file.to_str().unwrap()]).unwrap()
}

#[test]
fn a_reset_of_a_connection_that_is_held_is_reported() {
    let world = World::new().unwrap();
    let server = world.pod("dbaas", "pg").unwrap();
    let holder = Holder::start(&server);
    let vip: IpAddr = "10.43.0.80".parse().unwrap();
    let spec =
        ServiceSpec { namespace: "dbaas", name: "pg", cluster_ips: &[vip], port: 5432, target_port: PORT };
    world.service(&spec, &server).unwrap();
    let agent = agent(
        &world,
        "[[check]]\nname = \"lock\"\ntarget = \"dbaas/pg:5432\"\nhold = \"300ms\"\ninterval = \"1s\"\n",
    );

    let record = agent.wait_flow("kind=check", |r| r["ok"] == true).unwrap();
    assert_eq!(record["name"], "lock", "{record}");
    assert_eq!(record["src"]["node"], "node1", "{record}");
    assert_eq!(record["dst"]["service"], "dbaas/pg", "{record}");
    assert_eq!(record["dst"]["ip"], vip.to_string(), "{record}");
    assert!(record["duration_us"].as_u64().unwrap() >= 300_000, "{record}");
    let lock = ("check", "lock");
    assert_eq!(agent.metric("check_up", &[lock]).unwrap().to_string(), "1");
    assert_eq!(agent.metric("check_failures_total", &[lock]).unwrap().to_string(), "0");

    holder.reset_all();
    let record = agent.wait_flow("kind=check", |r| r["step"] == "hold").unwrap();
    assert_eq!(record["ok"], false, "{record}");
    assert!(record["error"].as_str().unwrap().starts_with("connection reset after "), "{record}");
    agent.wait_metric("check_up", &[lock], 0.0).unwrap();
    agent
        .wait_for("a counted failure", |a| {
            (a.metric("check_failures_total", &[lock, ("step", "hold")]).ok()? >= 1.0).then_some(())
        })
        .unwrap();
    let port = &record["src"]["port"];
    let reset = agent.wait_flow("kind=reset", |r| r["src"]["port"] == *port).unwrap();
    assert_eq!((&reset["by"], &reset["phase"]), (&"server".into(), &"established".into()), "{reset}");
    agent.stop().unwrap();
}

#[test]
fn a_refused_check_is_found_among_the_attempts() {
    let world = World::new().unwrap();
    let server = world.pod("dbaas", "pg").unwrap();
    let targets: [SocketAddr; 2] = [server.at(9), server.at6(9)];
    let table = |n: usize| {
        format!("[[check]]\nname = \"closed{n}\"\ntarget = \"{}\"\ninterval = \"1s\"\n", targets[n])
    };
    let agent = agent(&world, &(table(0) + &table(1)));
    for (n, to) in targets.into_iter().enumerate() {
        let name = format!("closed{n}");
        // The first check may be earlier than the probes.
        let (record, attempt) = agent
            .wait_for("a check and its attempt", |a| {
                let attempts = a.flows("kind=attempt").ok()?;
                let mut checks =
                    a.flows("kind=check").ok()?.into_iter().filter(|r| r["name"] == name.as_str());
                checks.find_map(|check| {
                    let same = |r: &&Value| r["src"]["port"] == check["src"]["port"];
                    attempts.iter().find(same).cloned().map(|attempt| (check, attempt))
                })
            })
            .unwrap();
        assert_eq!((&record["ok"], &record["step"]), (&false.into(), &"connect".into()), "{record}");
        assert_eq!(record["error"], "connection refused", "{record}");
        assert_eq!(record["dst"]["pod"], server.name.as_str(), "{record}");
        assert_eq!(attempt["outcome"], "refused", "{attempt}");
        assert_eq!(attempt["src"]["ip"], record["src"]["ip"], "{attempt}");
        assert_eq!(attempt["dst"]["ip"], to.ip().to_string(), "{attempt}");
    }
    agent.stop().unwrap();
}
