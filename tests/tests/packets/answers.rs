//! What an answer proves: an attempt ends where its answer leaves towards the client, and counts once wherever its packets
//! pass. The kernel runs the programs on one interface here, so that ingress and egress are the two places.

use flow_model::flow::Counts;
use lab::test_bed::{Classifier, TestBed};

use super::{RST, SYN, bed, ethernet, ipv4, tcp};

const ACK: u8 = 0x10;
/// The sequence number of [`tcp`]'s segments.
const ISN: u32 = 77;

/// Returns a segment of the server that acknowledges up to `ack`.
fn answer(flags: u8, ack: u32) -> Vec<u8> {
    let mut segment = tcp(flags | ACK);
    segment[..4].copy_from_slice(&[0x15, 0x38, 0x9c, 0x40]);
    segment[8..12].copy_from_slice(&ack.to_be_bytes());
    let mut packet = ipv4(0, 0, 6, &segment);
    packet[12..20].copy_from_slice(&[10, 42, 0, 12, 10, 42, 0, 10]);
    ethernet(&[], 0x0800, &packet)
}

fn syn() -> Vec<u8> {
    ethernet(&[], 0x0800, &ipv4(0, 0, 6, &tcp(SYN)))
}

fn counted(bed: &mut TestBed) -> Counts {
    bed.counted().unwrap().iter().fold(Counts::default(), |mut sum, delta| {
        sum.syn += delta.counts.syn;
        sum.syn_retransmits += delta.counts.syn_retransmits;
        for (sum, n) in sum.outcomes.iter_mut().zip(delta.counts.outcomes) {
            *sum += n;
        }
        for (sum, n) in sum.rst.iter_mut().flatten().zip(delta.counts.rst.iter().flatten()) {
            *sum += n;
        }
        sum
    })
}

fn run(bed: &mut TestBed, steps: &[(Classifier, &[u8])]) -> Counts {
    for (program, packet) in steps {
        bed.run(*program, packet, 1).unwrap();
    }
    counted(bed)
}

#[test]
fn an_answer_establishes_where_it_reaches_the_client() {
    let mut bed = bed();
    let (syn, syn_ack) = (syn(), answer(SYN, ISN + 1));
    let sent = run(&mut bed, &[(Classifier::PodOut, &syn), (Classifier::PodOut, &syn_ack)]);
    assert_eq!((sent.syn, sent.outcomes), (1, [0; 4]), "the server has sent it");
    let delivered = run(&mut bed, &[(Classifier::PodIn, &syn_ack)]);
    assert_eq!(delivered.outcomes, [1, 0, 0, 0]);
    let again = run(&mut bed, &[(Classifier::PodOut, &syn_ack), (Classifier::PodIn, &syn_ack)]);
    assert_eq!(again, Counts::default(), "an attempt has one outcome");
}

#[test]
fn a_refusal_counts_once_and_where_it_reaches_the_client() {
    let mut bed = bed();
    let (syn, reset) = (syn(), answer(RST, ISN + 1));
    let sent = run(&mut bed, &[(Classifier::PodOut, &syn), (Classifier::PodOut, &reset)]);
    assert_eq!((sent.outcomes, sent.rst), ([0; 4], [[0; 3], [1, 0, 0]]));
    let delivered = run(&mut bed, &[(Classifier::PodIn, &reset)]);
    assert_eq!((delivered.outcomes, delivered.rst), ([0, 1, 0, 0], [[0; 3]; 2]));
}

#[test]
fn a_syn_at_a_further_hook_is_no_repetition() {
    let mut bed = bed();
    let syn = syn();
    let once = run(&mut bed, &[(Classifier::PodOut, &syn), (Classifier::UplinkOut, &syn)]);
    assert_eq!((once.syn, once.syn_retransmits), (1, 0));
    let twice = run(&mut bed, &[(Classifier::PodOut, &syn), (Classifier::UplinkOut, &syn)]);
    assert_eq!((twice.syn, twice.syn_retransmits), (1, 1));
}

#[test]
fn an_answer_may_acknowledge_the_data_of_the_syn() {
    let mut bed = bed();
    let mut segment = tcp(SYN);
    segment.extend([7; 10]);
    let syn = ethernet(&[], 0x0800, &ipv4(0, 0, 6, &segment));
    let opened = run(&mut bed, &[(Classifier::PodOut, &syn), (Classifier::PodIn, &answer(SYN, ISN + 11))]);
    assert_eq!(opened.outcomes, [1, 0, 0, 0]);
}

#[test]
fn a_frame_for_another_host_counts_when_this_node_answers() {
    let mut bed = bed();
    let mut syn = syn();
    syn[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    assert_eq!(run(&mut bed, &[(Classifier::UplinkIn, &syn)]), Counts::default());
    let answered = run(&mut bed, &[(Classifier::UplinkOut, &answer(SYN, ISN + 1))]);
    assert_eq!((answered.syn, answered.outcomes), (1, [1, 0, 0, 0]));
}

#[test]
fn a_reset_passes_several_hooks_and_counts_once() {
    let mut bed = bed();
    let open = [(Classifier::PodOut, syn()), (Classifier::PodIn, answer(SYN, ISN + 1))];
    let open = open.each_ref().map(|(program, packet)| (*program, packet.as_slice()));
    assert_eq!(run(&mut bed, &open).outcomes, [1, 0, 0, 0]);
    let reset = answer(RST, ISN + 1);
    let passed = run(
        &mut bed,
        &[(Classifier::PodOut, &reset), (Classifier::PodIn, &reset), (Classifier::UplinkOut, &reset)],
    );
    assert_eq!(passed.rst, [[0; 3], [0, 1, 0]]);
}

#[test]
fn a_refusal_that_comes_in_under_a_masqueraded_address_counts_once() {
    let mut bed = bed();
    let reset = answer(RST, ISN + 1);
    let mut outside = reset.clone();
    // To the node's address, by which the server knows the client.
    outside[30..34].copy_from_slice(&[192, 0, 2, 1]);
    let steps = [(Classifier::PodOut, &syn()), (Classifier::UplinkIn, &outside), (Classifier::PodIn, &reset)];
    let counted = run(&mut bed, &steps.map(|(program, packet)| (program, packet.as_slice())));
    assert_eq!((counted.outcomes, counted.rst), ([0, 1, 0, 0], [[0; 3], [1, 0, 0]]));
    assert_eq!(bed.stranded().unwrap(), [], "it is no orphan");
}

#[test]
fn an_answer_to_an_interface_below_the_uplink_is_one() {
    let mut bed = bed();
    let mut syn_ack = answer(SYN, ISN + 1);
    syn_ack[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
    let counted = run(&mut bed, &[(Classifier::UplinkOut, &syn()), (Classifier::UplinkIn, &syn_ack)]);
    assert_eq!((counted.syn, counted.outcomes), (1, [1, 0, 0, 0]));
}

#[test]
fn what_passes_between_other_hosts_is_nobodys() {
    let mut bed = bed();
    let foreign = |mut frame: Vec<u8>| {
        frame[..6].copy_from_slice(&[2, 0, 0, 0, 0, 9]);
        frame
    };
    let frames =
        [syn(), answer(SYN, ISN + 1), answer(RST, ISN + 9), syn(), answer(RST, ISN + 1)].map(foreign);
    let steps = frames.each_ref().map(|frame| (Classifier::UplinkIn, frame.as_slice()));
    assert_eq!(run(&mut bed, &steps), Counts::default());
    assert_eq!(bed.stranded().unwrap(), []);
}

#[test]
fn each_orphan_of_a_burst_is_counted_as_its_client_knows_the_server() {
    let mut bed = bed();
    let inside = answer(RST, 0);
    let mut outside = inside.clone();
    // From the address of the Service.
    outside[26..30].copy_from_slice(&[10, 43, 0, 7]);
    for _ in 0..3 {
        bed.run(Classifier::PodOut, &inside, 1).unwrap();
        bed.run(Classifier::UplinkOut, &outside, 1).unwrap();
    }
    let deltas = bed.counted().unwrap();
    let [delta] = deltas.as_slice() else { panic!("{deltas:?}") };
    assert_eq!(delta.pair.unwrap().dst.to_string(), "10.43.0.7");
    assert_eq!(delta.counts.rst, [[0; 3], [0, 0, 3]]);
}
