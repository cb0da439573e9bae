//! Runs odd packets through the real classifiers in the kernel, with `BPF_PROG_TEST_RUN`: nothing faults, every form of
//! a SYN is counted, and packets that are neither a SYN nor a RST are not.

#![expect(clippy::unwrap_used, reason = "a failed step ends the test at its line")]

mod announcements;
mod answers;
mod merged;

use flow_model::flow::{Counts, Side, Vantage};
use flow_model::input::Input;
use lab::test_bed::{Classifier, TestBed};
use observer::probes::Settings;

const UNSPEC: i32 = -1;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

fn bed() -> TestBed {
    TestBed::new(&Settings::default()).expect("loading programs needs root and a kernel with eBPF")
}

fn ethernet(tags: &[u16], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    // To the address of loopback, where the kernel runs the programs.
    let mut p = vec![0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2];
    for tag in tags {
        p.extend(tag.to_be_bytes());
        p.extend([0, 42]);
    }
    p.extend(ethertype.to_be_bytes());
    p.extend(payload);
    p
}

fn tcp(flags: u8) -> Vec<u8> {
    let mut h = Vec::new();
    h.extend(40_000u16.to_be_bytes());
    h.extend(5432u16.to_be_bytes());
    h.extend(77u32.to_be_bytes());
    h.extend(0u32.to_be_bytes());
    h.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    h
}

fn ipv4(options: usize, fragment: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options;
    let mut h = vec![0x40 | u8::try_from(header_len / 4).unwrap(), 0];
    h.extend(u16::try_from(header_len + payload.len()).unwrap().to_be_bytes());
    h.extend([0, 1]);
    h.extend(fragment.to_be_bytes());
    h.extend([64, protocol, 0, 0, 10, 42, 0, 10, 10, 42, 0, 12]);
    h.extend(vec![1; options]);
    h.extend(payload);
    h
}

fn ipv6(extensions: &[(u8, Vec<u8>)], last: u8, payload: &[u8]) -> Vec<u8> {
    let first = extensions.first().map_or(last, |(kind, _)| *kind);
    let mut h = vec![0x60, 0, 0, 0, 0, 0, first, 64];
    h.extend([0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10]);
    h.extend([0xfd, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x12]);
    for (i, (_, body)) in extensions.iter().enumerate() {
        h.push(extensions.get(i + 1).map_or(last, |(kind, _)| *kind));
        h.extend(body);
    }
    h.extend(payload);
    h
}

fn total(bed: &mut TestBed) -> Counts {
    let deltas = bed.counted().unwrap();
    deltas.iter().fold(Counts::default(), |mut sum, d| {
        sum.syn += d.counts.syn;
        for (s, phases) in d.counts.rst.iter().enumerate() {
            for (p, n) in phases.iter().enumerate() {
                sum.rst[s][p] += n;
            }
        }
        sum
    })
}

fn syns(bed: &mut TestBed, program: Classifier, packet: &[u8]) -> i64 {
    let (verdict, _) = bed.run(program, packet, 1).unwrap();
    assert_eq!(verdict, UNSPEC, "anything else ends the chain for the programs behind us");
    total(bed).syn
}

#[test]
fn every_form_of_a_syn_is_counted() {
    let mut bed = bed();
    let hop_by_hop = (0u8, vec![0, 1, 4, 0, 0, 0, 0]);
    let destination = (60u8, [vec![1], vec![0; 14]].concat());
    let first_fragment = (44u8, vec![0, 0, 1, 0, 0, 0, 9]);
    let forms: Vec<(&str, Vec<u8>)> = vec![
        ("plain IPv4", ethernet(&[], 0x0800, &ipv4(0, 0x4000, 6, &tcp(SYN)))),
        ("IPv4 options", ethernet(&[], 0x0800, &ipv4(40, 0, 6, &tcp(SYN)))),
        ("first fragment", ethernet(&[], 0x0800, &ipv4(0, 0x2000, 6, &tcp(SYN)))),
        ("SYN with ECN setup", ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(SYN | 0xc0)))),
        ("one VLAN tag", ethernet(&[0x8100], 0x0800, &ipv4(0, 0, 6, &tcp(SYN)))),
        ("two VLAN tags", ethernet(&[0x88a8, 0x8100], 0x0800, &ipv4(4, 0, 6, &tcp(SYN)))),
        ("plain IPv6", ethernet(&[], 0x86dd, &ipv6(&[], 6, &tcp(SYN)))),
        ("IPv6 hop-by-hop", ethernet(&[], 0x86dd, &ipv6(std::slice::from_ref(&hop_by_hop), 6, &tcp(SYN)))),
        (
            "IPv6 with three extension headers",
            ethernet(&[0x8100], 0x86dd, &ipv6(&[hop_by_hop, destination, first_fragment], 6, &tcp(SYN))),
        ),
    ];
    for (name, packet) in forms {
        assert_eq!(syns(&mut bed, Classifier::PodOut, &packet), 1, "{name}");
        assert_eq!(syns(&mut bed, Classifier::UplinkIn, &packet), 1, "{name} on an uplink");
    }
}

#[test]
fn frames_without_an_ethernet_header() {
    let mut bed = bed();
    assert_eq!(syns(&mut bed, Classifier::L3UplinkIn, &ipv4(0, 0, 6, &tcp(SYN))), 1);
    assert_eq!(syns(&mut bed, Classifier::L3UplinkIn, &ipv6(&[], 6, &tcp(SYN))), 1);
    assert_eq!(syns(&mut bed, Classifier::L3UplinkIn, &ipv4(0, 0, 17, &tcp(SYN))), 0);
}

#[test]
fn other_packets_than_syns_are_not_counted() {
    let mut bed = bed();
    let later_fragment = (44u8, vec![0, 1, 0, 0, 0, 0, 9]);
    let none: Vec<(&str, Vec<u8>)> = vec![
        ("data", ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(ACK)))),
        ("UDP with SYN's bytes", ethernet(&[], 0x0800, &ipv4(0, 0, 17, &tcp(SYN)))),
        ("later fragment", ethernet(&[], 0x0800, &ipv4(0, 0x0010, 6, &tcp(SYN)))),
        ("IPv6 later fragment", ethernet(&[], 0x86dd, &ipv6(&[later_fragment], 6, &tcp(SYN)))),
        (
            "IPv4 header length of 4 words",
            ethernet(&[], 0x0800, &{
                let mut p = ipv4(0, 0, 6, &tcp(SYN));
                p[0] = 0x44;
                p
            }),
        ),
        (
            "TCP header length of 4 words",
            ethernet(&[], 0x0800, &{
                let mut p = ipv4(0, 0, 6, &tcp(SYN));
                p[32] = 0x40;
                p
            }),
        ),
        ("version 4 in an IPv6 frame", ethernet(&[], 0x86dd, &ipv4(20, 0, 6, &tcp(SYN)))),
        ("ARP", ethernet(&[], 0x0806, &[0; 46])),
        (
            "extension header of 2 KiB past the end",
            ethernet(&[], 0x86dd, &ipv6(&[(0, vec![255, 0, 0, 0, 0, 0, 0])], 6, &tcp(SYN))),
        ),
        ("ten extension headers", ethernet(&[], 0x86dd, &ipv6(&vec![(60u8, vec![0; 7]); 10], 6, &tcp(SYN)))),
    ];
    for (name, packet) in none {
        assert_eq!(syns(&mut bed, Classifier::PodOut, &packet), 0, "{name}");
    }
}

#[test]
fn truncated_anywhere_nothing_faults() {
    let mut bed = bed();
    let whole = [
        ethernet(&[], 0x0800, &ipv4(8, 0, 6, &tcp(SYN))),
        ethernet(&[0x8100], 0x0800, &ipv4(8, 0, 6, &tcp(SYN))),
        ethernet(&[0x8100], 0x86dd, &ipv6(&[(0, vec![0; 7])], 6, &tcp(RST))),
        ethernet(
            &[0x8100],
            0x0800,
            &ipv4(0, 0, 1, &[vec![3, 3, 0, 0, 0, 0, 0, 0], ipv4(0, 0, 6, &tcp(SYN))].concat()),
        ),
    ];
    for packet in &whole {
        // Newer kernels refuse to run a frame whose EtherType promises an IP header that is not there; behind a
        // VLAN tag they don't look.
        let shortest = if packet[12..14] == [0x08, 0x00] { 34 } else { 14 };
        for len in shortest..packet.len() {
            for program in
                [Classifier::PodOut, Classifier::PodIn, Classifier::UplinkIn, Classifier::L3UplinkIn]
            {
                let (verdict, _) = bed.run(program, &packet[..len], 1).unwrap();
                assert_eq!(verdict, UNSPEC, "{program:?} with {len} bytes");
            }
        }
    }
    // The SYN's flags lie in byte 13 of its header: with 14 bytes of it there is a SYN to count.
    assert!(total(&mut bed).syn > 0);
}

#[test]
fn random_bytes_never_fault() {
    let mut bed = bed();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..5_000 {
        let len = 56 + usize::try_from(random() % 120).unwrap();
        let mut packet: Vec<u8> = (0..len).map(|_| random().to_be_bytes()[0]).collect();
        let ethertype: u16 = [0x0800, 0x86dd, 0x8100, 0x0806][round % 4];
        packet[12..14].copy_from_slice(&ethertype.to_be_bytes());
        if round % 8 == 1 {
            // As far as its options.
            packet[18..22].copy_from_slice(&[0, 40, 58, 255]);
            packet[54..56].copy_from_slice(&[136, 0]);
        }
        for program in
            [Classifier::PodOut, Classifier::UplinkIn, Classifier::UplinkOut, Classifier::L3UplinkIn]
        {
            assert_eq!(bed.run(program, &packet, 1).unwrap().0, UNSPEC);
        }
    }
}

#[test]
fn a_rst_that_nobody_knows_is_an_orphan_by_its_port() {
    let mut bed = bed();
    bed.run(Classifier::PodOut, &ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(RST))), 3).unwrap();
    let deltas = bed.counted().unwrap();
    assert_eq!(deltas.len(), 1);
    let pair = deltas[0].pair.unwrap();
    assert_eq!((pair.dport, pair.vantage), (5432, Vantage::Source));
    assert_eq!(deltas[0].counts.rst, [[0, 0, 2], [0, 0, 0]], "by the client, which has the higher port");
    let stranded = bed.stranded().unwrap();
    let [Input::Pairs { deltas }, Input::Reset(seen)] = stranded.as_slice() else { panic!("{stranded:?}") };
    assert_eq!((seen.tuple.dport, seen.by), (5432, Side::Client));
    assert_eq!(deltas[0].counts.rst, [[0, 0, 1], [0, 0, 0]], "the first was on its way");
}

/// A RST of a server may be rewritten on its way. It is reported where it leaves, or when it does not leave, and once.
#[test]
fn an_orphan_of_a_server_is_held_until_it_leaves() {
    let mut bed = bed();
    let mut reset = tcp(RST);
    // From 5432 to 40000.
    reset[..4].copy_from_slice(&[0x15, 0x38, 0x9c, 0x40]);
    let frame = ethernet(&[], 0x0800, &ipv4(0, 0, 6, &reset));
    bed.run(Classifier::PodOut, &frame, 1).unwrap();
    assert_eq!(total(&mut bed), Counts::default(), "on its way");
    // It looks like the first one, which is still on its way.
    bed.run(Classifier::PodOut, &frame, 2).unwrap();
    assert_eq!(total(&mut bed).rst, [[0, 0, 0], [0, 0, 2]]);

    let stranded = bed.stranded().unwrap();
    let [Input::Pairs { deltas }, Input::Reset(seen)] = stranded.as_slice() else { panic!("{stranded:?}") };
    assert_eq!((seen.tuple.sport, seen.tuple.dport, seen.vantage), (40_000, 5432, Vantage::Destination));
    assert_eq!(deltas[0].counts.rst, [[0, 0, 0], [0, 0, 1]]);
    assert_eq!(bed.stranded().unwrap(), [], "reported once");

    bed.run(Classifier::UplinkOut, &frame, 1).unwrap();
    assert_eq!(total(&mut bed).rst, [[0, 0, 0], [0, 0, 1]], "the node's own leaves at once");
}

#[test]
fn a_repeated_syn_is_one_attempt_and_a_retransmission() {
    let mut bed = bed();
    bed.run(Classifier::PodOut, &ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(SYN))), 3).unwrap();
    let deltas = bed.counted().unwrap();
    assert_eq!((deltas[0].counts.syn, deltas[0].counts.syn_retransmits), (3, 2));
}

#[test]
fn counters_stay_exact_when_the_pair_map_is_full() {
    let mut bed = TestBed::new(&Settings { pair_entries: 8, ..Settings::default() }).unwrap();
    for host in 0..100u8 {
        let mut ip = ipv4(0, 0, 6, &tcp(SYN));
        ip[19] = host;
        bed.run(Classifier::PodOut, &ethernet(&[], 0x0800, &ip), 2).unwrap();
    }
    let deltas = bed.counted().unwrap();
    let remainder: i64 = deltas.iter().filter(|d| d.pair.is_none()).map(|d| d.counts.syn).sum();
    let named: i64 = deltas.iter().filter(|d| d.pair.is_some()).map(|d| d.counts.syn).sum();
    assert_eq!(named + remainder, 200);
    assert!(remainder > 0 && named > 0);
}
