//! Measures nanoseconds per packet with `BPF_PROG_TEST_RUN`, beside an empty classifier in the same run.

use std::time::Duration;

use anyhow::Result;
use lab::test_bed::{Classifier, TestBed};
use observer::probes::Settings;

/// Runs in a round.
pub(crate) const REPEAT: u32 = 500_000;
/// Rounds of a measurement. The median counts, because the machine is shared.
const ROUNDS: usize = 9;
/// New connections for the figure of a first SYN; the handshake map holds 65,536.
const FRESH: u32 = 20_000;

pub(crate) fn run() -> Result<()> {
    let mut bed = TestBed::new(&Settings::default())?;
    println!("classifiers: ns per packet, median of {ROUNDS} rounds of {REPEAT} (min to max)");
    let packets = [
        ("data (ACK)", packet(0x10, 77)),
        ("SYN, repeated", packet(0x02, 77)),
        ("RST, orphan", packet(0x04, 77)),
        ("ARP request", arp()),
    ];
    for (name, packet) in packets {
        let empty = median(|| bed.run_empty(&packet, REPEAT))?;
        for program in [Classifier::PodOut, Classifier::UplinkIn] {
            let full = median(|| bed.run(program, &packet, REPEAT))?;
            println!(
                "  {name:<14} {:<10} {:>4} ({} to {}), empty {} ({} to {}): {:+} over empty",
                format!("{program:?}"),
                full[1],
                full[0],
                full[2],
                empty[1],
                empty[0],
                empty[2],
                i128::from(full[1]) - i128::from(empty[1]),
            );
        }
        bed.counted()?;
    }
    fresh(&mut bed)
}

/// Measures a first SYN, which inserts into two maps. A repeated packet does not, so each packet is another connection.
fn fresh(bed: &mut TestBed) -> Result<()> {
    let empty = fresh_median(|packet| bed.run_empty(packet, 1))?;
    let full = fresh_median(|packet| bed.run(Classifier::PodOut, packet, 1))?;
    println!(
        "  {:<14} {:<10} {full:>4} one by one, empty {empty}: {:+} over empty",
        "SYN, first",
        "PodOut",
        i128::from(full) - i128::from(empty)
    );
    bed.counted()?;
    Ok(())
}

fn fresh_median(mut run: impl FnMut(&[u8]) -> Result<(i32, Duration)>) -> Result<u64> {
    let mut times = Vec::new();
    for n in 0..FRESH {
        let (_, time) = run(&packet(0x02, n))?;
        times.push(u64::try_from(time.as_nanos())?);
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Returns minimum, median and maximum of the rounds.
pub(crate) fn median(mut round: impl FnMut() -> Result<(i32, Duration)>) -> Result<[u64; 3]> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(u64::try_from(round()?.1.as_nanos())?);
    }
    times.sort_unstable();
    Ok([times[0], times[ROUNDS / 2], times[ROUNDS - 1]])
}

fn packet(flags: u8, seq: u32) -> Vec<u8> {
    let mut p = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    p.extend([0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 42, 0, 10, 10, 42, 0, 12]);
    p.extend([0x9c, 0x40, 0x15, 0x38]);
    p.extend(seq.to_be_bytes());
    p.extend([0, 0, 0, 1, 0xa0, flags, 0xff, 0xff, 0, 0, 0, 0]);
    p.extend([0; 20]);
    p
}

fn arp() -> Vec<u8> {
    let mut p = vec![0xff; 6];
    p.extend([2, 0, 0, 0, 0, 2, 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    p.extend([2, 0, 0, 0, 0, 2, 10, 0, 20, 200, 0, 0, 0, 0, 0, 0, 10, 0, 20, 200]);
    p.resize(60, 0);
    p
}
