use super::*;

#[test]
fn finds_the_nightlies() {
    let list = "stable-x86_64-unknown-linux-gnu (active, default)\nnightly-x86_64-unknown-linux-gnu\n\
                nightly-2026-05-20-x86_64-unknown-linux-gnu (override)\n1.95.0-x86_64-unknown-linux-gnu\n";
    let found: Vec<_> = nightlies(list).collect();
    assert_eq!(found, ["nightly-x86_64-unknown-linux-gnu", "nightly-2026-05-20-x86_64-unknown-linux-gnu"]);
    assert_eq!(nightlies("no installed toolchains\n").count(), 0);
}
