//! A bypass is told from what only resembles one. A look is made every ten seconds.

use rstest::rstest;

use super::*;

/// Returns whether each look finds a bypass, by the SYNs, bypassed and unknown SYN-ACKs since the look before.
fn looks(news: &[[u64; 3]]) -> Vec<bool> {
    let begin = Instant::now();
    let mut counts = Handshakes::default();
    let mut pod = Pod::new(counts, begin);
    let mut look = |(n, news): (usize, &[u64; 3])| {
        let [syns, bypassed, unknown] = *news;
        counts.syns += syns;
        counts.bypassed += bypassed;
        counts.unknown += unknown;
        pod.look(counts, begin + Duration::from_secs(10) * u32::try_from(n + 1).unwrap())
    };
    news.iter().enumerate().map(&mut look).collect()
}

/// The last look of many.
fn last(times: usize, each: [u64; 3]) -> bool {
    *looks(&vec![each; times]).last().unwrap()
}

#[test]
fn answers_to_syns_that_passed_by_show_it() {
    assert_eq!(looks(&[[0, 2, 0], [0, 1, 0], [0, 0, 0]]), [false, true, true]);
    assert_eq!(looks(&[[9, 3, 0]]), [true], "probes of the kubelet come by the usual way");
}

/// Programs may be attached anew at any time, and months are long.
#[test]
fn rare_accidents_do_not_add_up() {
    let mut rare = vec![[9, 1, 0]];
    rare.extend(vec![[9, 0, 0]; 59]);
    assert!(!looks(&rare.repeat(10)).contains(&true));
}

#[test]
fn answers_to_syns_that_nobody_saw_show_it_after_a_while() {
    assert!(last(14, [0, 0, 5]));
    assert!(!last(12, [0, 0, 5]), "they may repeat answers from before the agent started");
    assert!(!last(100, [0, 0, 4]), "too few");
}

#[rstest]
#[case::an_idle_pod([0, 0, 0])]
#[case::a_busy_one([500, 0, 0])]
#[case::behind_masquerading([500, 0, 500])]
#[case::one_whose_interface_came_late([0, 0, 1])]
fn what_is_seen_is_no_bypass(#[case] each: [u64; 3]) {
    assert!(!last(100, each));
}

#[test]
fn repeated_answers_after_a_flood_are_none() {
    let flood = [5_000, 0, 0];
    let after = [0, 0, 20_000];
    let repetitions = [vec![flood; 3], vec![after; 6], vec![[0, 0, 0]; 10]].concat();
    assert!(!looks(&repetitions).contains(&true));
}

#[test]
fn it_is_over_after_ten_minutes() {
    let mut news = vec![[0, 5, 0]];
    news.extend(vec![[1, 0, 0]; 60]);
    let looks = looks(&news);
    assert_eq!((looks[0], looks[59], looks[60]), (true, true, false));
}
