//! Claims of addresses: ARP and neighbour advertisements, well-formed and malformed, and in floods.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use flow_model::input::{Announced, AnnouncementSeen};
use flow_model::mac::Mac;
use lab::test_bed::{Classifier, TestBed};
use observer::probes::ClaimCounts;

use super::{UNSPEC, bed, ethernet, ipv4, tcp};

const VIP4: Ipv4Addr = Ipv4Addr::new(10, 0, 20, 200);
const VIP6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 0x200);
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;
/// The source address that `ethernet` writes.
const FRAME_SOURCE: Mac = Mac([2, 0, 0, 0, 0, 2]);
const TAGS: [&[u16]; 3] = [&[], &[0x8100], &[0x88a8, 0x8100]];

fn mac(host: u16) -> Mac {
    let [a, b] = host.to_be_bytes();
    Mac([2, 0xaa, 0, 0, a, b])
}

fn arp(operation: u8, by: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut p = vec![0, 1, 8, 0, 6, 4, 0, operation];
    p.extend(by.0);
    p.extend(sender.octets());
    p.extend([0; 6]);
    p.extend(target.octets());
    p.resize(46, 0);
    p
}

fn gratuitous(by: Mac) -> Vec<u8> {
    ethernet(&[], ARP, &arp(REQUEST, by, VIP4, VIP4))
}

/// Returns an IPv6 packet with a neighbour advertisement and these options.
fn advertisement(target: Ipv6Addr, options: &[u8]) -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0];
    p.extend(u16::try_from(24 + options.len()).unwrap().to_be_bytes());
    p.extend([58, 255]);
    p.extend(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).octets());
    p.extend(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets());
    p.extend([136, 0, 0, 0, 0x20, 0, 0, 0]);
    p.extend(target.octets());
    p.extend(options);
    p
}

fn link_layer(kind: u8, mac: Mac) -> Vec<u8> {
    [&[kind, 1], &mac.0[..]].concat()
}

fn advertised(by: Mac) -> Vec<u8> {
    ethernet(&[], IPV6, &advertisement(VIP6, &link_layer(2, by)))
}

fn knowing(vips: &[IpAddr]) -> TestBed {
    let mut bed = bed();
    bed.know(&vips.iter().copied().collect()).unwrap();
    bed
}

fn both() -> TestBed {
    knowing(&[VIP4.into(), VIP6.into()])
}

fn pass(bed: &mut TestBed, program: Classifier, frame: &[u8]) {
    assert_eq!(bed.run(program, frame, 1).unwrap().0, UNSPEC);
}

fn hosts(announcements: &[AnnouncementSeen]) -> Vec<Mac> {
    announcements.iter().map(|a| a.mac).collect()
}

/// Returns the most records that one VIP can have in this time.
fn most(elapsed: Duration) -> usize {
    20 + 1 + usize::try_from(elapsed.as_millis() / 50).unwrap()
}

#[test]
fn every_kind_of_frame_is_reported() {
    let mut bed = both();
    let other = Ipv4Addr::new(10, 0, 20, 9);
    let by = mac(7);
    let option = link_layer(2, by);
    let unknown_first = [&[14, 2][..], &[9; 14], &option].concat();
    let twice = [option.clone(), link_layer(2, mac(8))].concat();
    let kinds = [
        ("gratuitous request", ARP, arp(REQUEST, by, VIP4, VIP4), Announced::GratuitousRequest, by),
        ("gratuitous reply", ARP, arp(REPLY, by, VIP4, VIP4), Announced::GratuitousReply, by),
        ("reply", ARP, arp(REPLY, by, VIP4, other), Announced::Arp, by),
        ("request", ARP, arp(REQUEST, by, VIP4, other), Announced::Arp, by),
        ("unpadded", ARP, arp(REQUEST, by, VIP4, other)[..28].to_vec(), Announced::Arp, by),
        ("advertisement", IPV6, advertisement(VIP6, &option), Announced::Advertisement, by),
        ("its second option", IPV6, advertisement(VIP6, &unknown_first), Announced::Advertisement, by),
        ("the first of two", IPV6, advertisement(VIP6, &twice), Announced::Advertisement, by),
        ("without options", IPV6, advertisement(VIP6, &[]), Announced::Advertisement, FRAME_SOURCE),
        (
            "only a source option",
            IPV6,
            advertisement(VIP6, &link_layer(1, by)),
            Announced::Advertisement,
            FRAME_SOURCE,
        ),
    ];
    for (name, protocol, payload, how, mac) in kinds {
        for tags in TAGS {
            for (program, outbound) in [(Classifier::UplinkIn, false), (Classifier::UplinkOut, true)] {
                // Forget the VIPs, so that the same claimant is new again.
                bed.know(&BTreeSet::new()).unwrap();
                bed.know(&[VIP4.into(), VIP6.into()].into()).unwrap();
                pass(&mut bed, program, &ethernet(tags, protocol, &payload));
                let [seen] = bed.announced()[..] else { panic!("{name} behind {tags:x?}, {program:?}") };
                let ip = if protocol == ARP { IpAddr::from(VIP4) } else { VIP6.into() };
                assert_eq!((seen.ip, seen.mac, seen.how, seen.outbound), (ip, mac, how, outbound), "{name}");
                assert_eq!(bed.missed().unwrap(), [], "{name}: the map agrees with the record");
            }
        }
    }
    assert_eq!(bed.unrecorded().unwrap(), ClaimCounts::default());
}

#[test]
fn malformed_frames_are_counted_and_claim_nothing() {
    let mut bed = both();
    let by = mac(7);
    let good = arp(REQUEST, by, VIP4, VIP4);
    let patched = |at: usize, bytes: &[u8]| {
        let mut p = good.clone();
        p[at..at + bytes.len()].copy_from_slice(bytes);
        (ARP, p)
    };
    let option = link_layer(2, by);
    let advertisement_patched = |at: usize, bytes: &[u8]| {
        let mut p = advertisement(VIP6, &option);
        p[at..at + bytes.len()].copy_from_slice(bytes);
        (IPV6, p)
    };
    let options = |options: &[u8]| (IPV6, advertisement(VIP6, options));
    let disguised = Ipv4Addr::to_ipv6_mapped(&VIP4);
    let malformed = [
        ("token ring", patched(0, &[0, 6])),
        ("of IPv6", patched(2, &[0x86, 0xdd])),
        ("hardware length 8", patched(4, &[8])),
        ("protocol length 16", patched(5, &[16])),
        ("operation 0", patched(6, &[0, 0])),
        ("reverse ARP", patched(6, &[0, 3])),
        ("operation 257", patched(6, &[1, 1])),
        ("zero address", patched(8, &[0; 6])),
        ("broadcast address", patched(8, &[0xff; 6])),
        ("multicast address", patched(8, &[1, 0, 0x5e, 0, 0, 1])),
        ("probe", patched(14, &[0; 4])),
        ("multicast sender", patched(14, &[224, 0, 0, 1])),
        ("broadcast sender", patched(14, &[255; 4])),
        ("ARP cut short", (ARP, good[..27].to_vec())),
        ("empty ARP", (ARP, Vec::new())),
        ("forwarded", advertisement_patched(7, &[254])),
        ("code 1", advertisement_patched(41, &[1])),
        ("multicast target", advertisement_patched(48, &[0xff])),
        ("no target", advertisement_patched(48, &[0; 16])),
        ("IPv4 target", (IPV6, advertisement(disguised, &option))),
        ("shorter than its target", advertisement_patched(4, &[0, 23])),
        ("longer than the frame", advertisement_patched(4, &[0, 40])),
        ("ends within the option", advertisement_patched(4, &[0, 31])),
        ("option of length 0", options(&[2, 0, 2, 0, 0, 0, 0, 7])),
        ("another option of length 0", options(&[&[14, 0, 0, 0, 0, 0, 0, 0], &option[..]].concat())),
        ("option past the end", options(&[2, 2, 2, 0, 0, 0, 0, 7])),
        ("last option past the end", options(&[&option[..], &[14, 255, 0, 0, 0, 0, 0, 0]].concat())),
        ("link-layer address of 14 bytes", options(&[&[2, 2], &by.0[..], &[0; 8]].concat())),
        ("half an option", options(&[2, 1, 2])),
        ("zero in the option", options(&link_layer(2, Mac([0; 6])))),
        ("broadcast in the option", options(&link_layer(2, Mac([0xff; 6])))),
        ("nine options", options(&[14, 1, 0, 0, 0, 0, 0, 0].repeat(9))),
    ];
    for (name, (protocol, payload)) in malformed {
        for tags in TAGS {
            pass(&mut bed, Classifier::UplinkIn, &ethernet(tags, protocol, &payload));
            let expect = ClaimCounts { ignored: 1, ..ClaimCounts::default() };
            assert_eq!(bed.unrecorded().unwrap(), expect, "{name} behind {tags:x?}");
        }
    }
    assert_eq!((bed.announced(), bed.missed().unwrap()), (vec![], vec![]));
}

#[test]
fn truncated_anywhere_no_claim_is_made_of_the_rest() {
    let mut bed = both();
    for (frame, needed) in [(gratuitous(mac(7)), 14 + 28), (advertised(mac(7)), 14 + 40 + 32)] {
        // Newer kernels refuse to run a frame whose EtherType promises an IP header that is not there.
        let shortest = if frame[12] == 0x86 { 54 } else { 14 };
        for len in shortest..needed {
            pass(&mut bed, Classifier::UplinkIn, &frame[..len]);
        }
        assert_eq!(bed.announced(), []);
        pass(&mut bed, Classifier::UplinkIn, &frame[..needed]);
        assert_eq!(hosts(&bed.announced()), [mac(7)]);
    }
}

#[test]
fn an_advertisement_without_an_option_needs_a_host_as_source() {
    let mut bed = both();
    let mut frame = ethernet(&[], IPV6, &advertisement(VIP6, &[]));
    frame[6] |= 1;
    pass(&mut bed, Classifier::UplinkIn, &frame);
    assert_eq!(bed.unrecorded().unwrap().ignored, 1);
}

#[test]
fn claims_on_other_hooks_are_ignored() {
    let mut bed = both();
    for frame in [
        gratuitous(mac(7)),
        advertised(mac(7)),
        ethernet(&[0x8100], ARP, &arp(REQUEST, mac(7), VIP4, VIP4)),
        ethernet(&[0x8100], IPV6, &advertisement(VIP6, &link_layer(2, mac(7)))),
    ] {
        for program in [Classifier::PodOut, Classifier::PodIn] {
            pass(&mut bed, program, &frame);
        }
        pass(&mut bed, Classifier::L3UplinkIn, &frame[14..]);
    }
    assert_eq!((bed.announced(), bed.missed().unwrap()), (vec![], vec![]));
    assert_eq!(bed.unrecorded().unwrap(), ClaimCounts::default());
}

#[test]
fn claims_of_unknown_addresses_are_counted_only() {
    let mut bed = knowing(&[VIP6.into()]);
    bed.run(Classifier::UplinkIn, &gratuitous(mac(7)), 500).unwrap();
    pass(&mut bed, Classifier::UplinkIn, &advertised(mac(7)));
    assert_eq!(bed.unrecorded().unwrap(), ClaimCounts { unknown: 500, ..ClaimCounts::default() });
    assert_eq!(bed.announced().len(), 1);
}

#[test]
fn a_known_vip_keeps_its_claimant_when_others_come_and_go() {
    let mut bed = knowing(&[VIP4.into()]);
    pass(&mut bed, Classifier::UplinkIn, &gratuitous(mac(1)));
    bed.know(&[VIP4.into(), VIP6.into()].into()).unwrap();
    bed.know(&[VIP4.into()].into()).unwrap();
    let began = Instant::now();
    pass(&mut bed, Classifier::UplinkIn, &gratuitous(mac(1)));
    let reported = bed.announced().len();
    assert!(reported == 1 || began.elapsed() >= Duration::from_secs(1), "{reported} records");
    bed.know(&BTreeSet::new()).unwrap();
    bed.know(&[VIP4.into()].into()).unwrap();
    pass(&mut bed, Classifier::UplinkIn, &gratuitous(mac(1)));
    assert_eq!(hosts(&bed.announced()), [mac(1)], "forgotten meanwhile, so it is news");
}

#[test]
fn a_storm_of_the_same_claim_is_reported_once_a_second() {
    let mut bed = both();
    let began = Instant::now();
    for _ in 0..100 {
        bed.run(Classifier::UplinkIn, &gratuitous(mac(1)), 1_000).unwrap();
    }
    let reported = bed.announced();
    let most = 1 + usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!((1..=most).contains(&reported.len()), "{} records of 100,000 frames", reported.len());
    assert_eq!(bed.unrecorded().unwrap(), ClaimCounts::default(), "no record had to wait");
}

#[test]
fn of_claimants_that_take_turns_the_last_is_always_known() {
    let mut bed = both();
    for round in 0..20u16 {
        let began = Instant::now();
        let mut last = mac(0);
        for turn in 0..500 {
            last = mac(turn % 2 + round);
            pass(&mut bed, Classifier::UplinkIn, &gratuitous(last));
        }
        let (reported, missed) = (bed.announced(), bed.missed().unwrap());
        assert!(reported.len() <= most(began.elapsed()), "{} records", reported.len());
        assert!(missed.len() <= 1);
        assert_eq!(hosts(&[reported, missed].concat()).last(), Some(&last), "round {round}");
    }
    assert!(bed.unrecorded().unwrap().throttled > 0);
}

#[test]
fn no_move_of_a_known_vip_is_lost_in_a_flood() {
    const FRAMES: u32 = 100_000;
    const MOVES: u16 = 18;
    let mut bed = both();
    let every = FRAMES / u32::from(MOVES);
    let (mut sent4, mut sent6) = (Vec::new(), Vec::new());
    let mut now = mac(0);
    for n in 0..FRAMES {
        let [_, a, b, c] = n.to_be_bytes();
        let frame = match n % 8 {
            _ if n % every == 0 && sent4.len() < usize::from(MOVES) => {
                now = mac(u16::try_from(n / every).unwrap());
                sent4.push(now);
                sent6.push(now);
                pass(&mut bed, Classifier::UplinkOut, &advertised(now));
                gratuitous(now)
            }
            0 => gratuitous(now),
            1 => advertised(now),
            2 | 3 => ethernet(&[0x8100], ARP, &arp(REPLY, mac(0xff), Ipv4Addr::new(11, a, b, c), VIP4)),
            4 => {
                let target = Ipv6Addr::new(0xfd21, 0, 0, 0, 0, 0, u16::from(a), u16::from_be_bytes([b, c]));
                ethernet(&[], IPV6, &advertisement(target, &link_layer(2, mac(0xff))))
            }
            5 => gratuitous(Mac([0; 6])),
            6 => ethernet(&[], IPV6, &advertisement(VIP6, &[2, 0, 0, 0, 0, 0, 0, 0])),
            _ => ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(super::ACK))),
        };
        pass(&mut bed, Classifier::UplinkIn, &frame);
    }
    let reported = bed.announced();
    let moves = |ip: IpAddr| {
        let mut hosts: Vec<_> = reported.iter().filter(|a| a.ip == ip).map(|a| a.mac).collect();
        hosts.dedup();
        hosts
    };
    assert_eq!(moves(VIP4.into()), sent4);
    assert_eq!(moves(VIP6.into()), sent6);
    assert_eq!(bed.missed().unwrap(), []);
    let counted = bed.unrecorded().unwrap();
    // Some frames of the flood were replaced by moves.
    let about = |n: u32| u64::from(n) - u64::from(MOVES)..=u64::from(n);
    assert!(about(FRAMES / 8 * 3).contains(&counted.unknown), "{counted:?}");
    assert!(about(FRAMES / 8 * 2).contains(&counted.ignored), "{counted:?}");
    assert_eq!(counted.throttled, 0);
}

#[test]
fn a_thousand_vips_that_move_at_once_are_all_reported() {
    let vips: BTreeSet<IpAddr> =
        (0..1_500u16).map(|n| Ipv4Addr::from(0x0a01_0000 + u32::from(n)).into()).collect();
    let mut bed = bed();
    bed.know(&vips).unwrap();
    let began = Instant::now();
    for vip in &vips {
        let IpAddr::V4(ip) = *vip else { unreachable!() };
        pass(&mut bed, Classifier::UplinkIn, &ethernet(&[], ARP, &arp(REPLY, mac(3), ip, ip)));
    }
    let elapsed = usize::try_from(began.elapsed().as_millis()).unwrap();
    let (reported, missed) = (bed.announced(), bed.missed().unwrap());
    assert!(reported.len() <= 1_000 + 1 + elapsed, "{} records in {elapsed} ms", reported.len());
    assert_eq!(reported.len() + missed.len(), vips.len(), "each once");
    assert_eq!(reported.iter().chain(&missed).map(|a| a.ip).collect::<BTreeSet<_>>(), vips);
}

#[test]
fn more_vips_than_fit_leave_the_others_working() {
    let mut vips: BTreeSet<IpAddr> =
        (0..5_000u16).map(|n| Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, n).into()).collect();
    vips.insert(VIP4.into());
    let mut bed = bed();
    bed.know(&vips).unwrap();
    pass(&mut bed, Classifier::UplinkIn, &gratuitous(mac(1)));
    assert_eq!(hosts(&bed.announced()), [mac(1)]);
}
