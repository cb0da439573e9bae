use super::*;

#[test]
fn only_times_are_hurried() {
    let rules =
        "  expr: increase(a[5m]) unless b offset 15m\n  for: 10m\n  summary: wait for: it\n  x: a[1d]\n";
    let wanted =
        "  expr: increase(a[20s]) unless b offset 60s\n  for: 40s\n  summary: wait for: it\n  x: a[1d]\n";
    assert_eq!(hurried(rules), wanted);
}

#[test]
fn queries_are_escaped() {
    assert_eq!(escape("sum(a{b=\"c\"})"), "sum%28a%7Bb%3D%22c%22%7D%29");
}
