use super::{complaints, flat, returned, slope};
use crate::sample::Sample;

fn line(from: f64, per_minute: f64) -> Vec<(f64, f64)> {
    (0..10).map(|n| (f64::from(n), from + per_minute * f64::from(n))).collect()
}

#[test]
fn memory_may_swing_but_not_grow() {
    assert!(flat(&line(60.0, 0.0)).passed);
    assert!(flat(&line(60.0, -2.0)).passed);
    assert!(flat(&line(60.0, 0.3)).passed);
    assert!(!flat(&line(60.0, 0.5)).passed);
    // Of a large agent a larger growth is noise.
    assert!(flat(&line(200.0, 0.5)).passed);
    let mut swing = line(60.0, 0.0);
    swing[4].1 = 75.0;
    assert!(flat(&swing).passed);
}

#[test]
fn too_few_rounds_prove_nothing() {
    assert!(!flat(&[]).passed);
    assert!(!flat(&[(1.0, 60.0)]).passed);
}

#[test]
fn the_slope_is_that_of_the_line() {
    assert_eq!(slope(&[(1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]), Some(2.0));
    assert_eq!(slope(&[(1.0, 3.0)]), None);
}

fn holding(links: usize, sockets: usize, entries: usize) -> Sample {
    Sample {
        descriptors: [("bpf_link".to_owned(), links), ("socket".to_owned(), sockets)].into(),
        entries: [("IFACES".to_owned(), entries)].into(),
        ..Sample::default()
    }
}

#[test]
fn what_stays_behind_is_a_leak() {
    let before = holding(4, 10, 3);
    assert!(returned(&before, &holding(4, 10, 3)).passed);
    assert!(returned(&before, &holding(4, 14, 3)).passed, "connections to the API server may be kept");
    assert!(returned(&before, &holding(4, 8, 3)).passed);
    for leak in [holding(5, 10, 3), holding(3, 10, 3), holding(4, 15, 3), holding(4, 10, 4)] {
        assert!(!returned(&before, &leak).passed, "{leak:?}");
    }
}

#[test]
fn defects_in_the_log_are_found() {
    let log = "INFO runs\nthread 'main' panicked at x.rs\nERROR the ring can't be read\nWARN late";
    assert_eq!(complaints(log).len(), 2);
}
