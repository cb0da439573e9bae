//! Measures the cost of address claims: nanoseconds per frame in the kernel, and the agent under an ARP flood on its
//! uplink.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lab::lan::Host;
use lab::test_bed::{Classifier, TestBed};
use lab::world::World;
use nix::libc;
use observer::probes::Settings;
use serde_json::json;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::classifiers::{REPEAT, median};
use crate::load::{cpu_seconds, memory_kib};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 20, 200);
const ETH_P_ARP: u16 = 0x0806;
/// The flood's frames per second.
const RATE: u32 = 100_000;
const SECONDS: u32 = 20;
/// The number of frames between two looks at the clock.
const BURST: u32 = 100;
/// The number of moves of the VIP within the flood.
const MOVE_EVERY: Duration = Duration::from_millis(500);

pub(crate) fn run() -> Result<()> {
    frames()?;
    flood()
}

fn frames() -> Result<()> {
    println!("announcements: ns per frame on an uplink (min to max)");
    let mut bed = TestBed::new(&Settings::default())?;
    bed.know(&BTreeSet::from([IpAddr::from(VIP)]))?;
    let unknown = Ipv4Addr::new(10, 0, 20, 9);
    for (name, ip) in [("ARP, unknown address", unknown), ("ARP, known VIP, still there", VIP)] {
        let frame = arp(1, ip);
        let empty = median(|| bed.run_empty(&frame, REPEAT))?;
        let full = median(|| bed.run(Classifier::UplinkIn, &frame, REPEAT))?;
        println!(
            "  {name:<28} {:>4} ({} to {}), empty {}: {:+} over empty",
            full[1],
            full[0],
            full[2],
            empty[1],
            i128::from(full[1]) - i128::from(empty[1])
        );
    }
    Ok(())
}

/// Floods the uplink with claims of other addresses and of the VIP, which moves meanwhile.
fn flood() -> Result<()> {
    let world = World::new()?;
    let attacker = world.lan.host(&world.guard, "attacker", 66)?;
    world.cluster.apply(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "dbaas", "name": "postgresql-lb"},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.43.0.9", "ports": [{"port": 5432}]},
        "status": {"loadBalancer": {"ingress": [{"ip": VIP.to_string()}]}},
    }))?;
    let agent = world.agent(&[])?;
    // The first claim is not a move.
    send(&attacker, &[arp(0, VIP)])?;
    let before = cpu_seconds(&agent)?;
    let began = Instant::now();
    let (sent, moves) = attacker.ns.run(storm)?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(&agent)? - before;
    let counted = || agent.metric("vip_moves_total", &[("source", "wire")]);
    // The last moves may still be on their way. A count that stays too low is printed as it is.
    drop(agent.wait_for("every move", |_| (counted().ok()? >= f64::from(moves)).then_some(())));
    println!(
        "flood: {sent} ARP frames in {seconds:.1} s ({:.0} a second of {RATE})",
        f64::from(sent) / seconds
    );
    println!(
        "  agent CPU {:.1} % of one core, RSS {:.1} MiB",
        cpu / seconds * 100.0,
        memory_kib(&agent, "VmRSS:")? / 1024.0
    );
    let lost = agent.metric("events_lost_total", &[("stage", "ring")])?;
    println!("  {moves} moves of a known VIP, {} reported, ring records lost {lost}", counted()?);
    agent.kill()
}

/// Sends at the rate for the time given. Returns the number of frames, and of moves among them.
fn storm() -> Result<(u32, u32)> {
    let socket = wire()?;
    let began = Instant::now();
    let (mut sent, mut moves) = (0, 0);
    while began.elapsed() < Duration::from_secs(SECONDS.into()) {
        for n in 0..BURST {
            // A tenth repeats the claim of the VIP.
            let other = Ipv4Addr::from(0x0b00_0000 + sent % 0xff_ffff);
            let frame = if n % 10 == 0 { arp(moves, VIP) } else { arp(0xff, other) };
            // A full queue slows the sender down.
            let _full = socket.send(&frame).is_err();
            sent += 1;
        }
        if began.elapsed() > MOVE_EVERY * (moves + 1) {
            moves += 1;
            socket.send(&arp(moves, VIP)).context("the move could not be sent")?;
        }
        let due = began + Duration::from_secs(1) * sent / RATE;
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
    }
    Ok((sent, moves))
}

fn send(from: &Host, frames: &[Vec<u8>]) -> Result<()> {
    from.ns.run(|| {
        let socket = wire()?;
        frames.iter().try_for_each(|frame| socket.send(frame).map(drop)).context("an ARP frame")
    })
}

/// A socket that sends whole frames from this namespace's `eth0`.
fn wire() -> Result<Socket> {
    let protocol = i32::from(ETH_P_ARP.to_be());
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(protocol)))?;
    let index = nix::net::if_::if_nametoindex("eth0")?;
    bind(&socket, index).with_context(|| format!("packet socket {}", socket.as_raw_fd()))?;
    Ok(socket)
}

fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    #![expect(unsafe_code, reason = "no safe wrapper makes a packet socket's address")]
    // SAFETY: a `sockaddr_ll` is written into the storage, which is larger, and its length is given; the storage was
    // zeroed.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, len| {
            let link = storage.cast::<libc::sockaddr_ll>();
            (*link).sll_family = libc::AF_PACKET as u16;
            (*link).sll_protocol = ETH_P_ARP.to_be();
            (*link).sll_ifindex = i32::try_from(index).unwrap_or_default();
            *len = size_of::<libc::sockaddr_ll>() as u32;
            Ok(())
        })
    }?;
    socket.bind(&address)
}

/// A gratuitous request by host `by`.
fn arp(by: u32, ip: Ipv4Addr) -> Vec<u8> {
    let [_, _, a, b] = by.to_be_bytes();
    let mac = [2, 0xaa, 0, 0, a, b];
    let mut p = vec![0xff; 6];
    p.extend(mac);
    p.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    p.extend(mac);
    p.extend(ip.octets());
    p.extend([0; 6]);
    p.extend(ip.octets());
    p.resize(60, 0);
    p
}
