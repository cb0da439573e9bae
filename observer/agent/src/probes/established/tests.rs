use super::*;

#[test]
fn times_of_all_cpus_are_one_and_only_what_is_new_is_reported() {
    let cpu = |n: u64| abi::Latencies { buckets: std::array::from_fn(|at| n * at as u64), sum_ns: n * 1_000 };
    let last = [cpu(1), cpu(2)].iter().fold(abi::Latencies::default(), add);
    let now = [cpu(4), cpu(2)].iter().fold(abi::Latencies::default(), add);
    let more = difference(&now, &last);
    assert_eq!(more.buckets, std::array::from_fn(|at| 3 * at as u64));
    assert_eq!(more.sum, Duration::from_micros(3));
}
