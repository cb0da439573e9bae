use super::*;
use crate::guard::Guard;
use crate::lan::{self, Lan};

#[test]
fn one_master_then_the_other_then_two() {
    let guard = Guard::take().unwrap();
    let lan = Lan::new(&guard).unwrap();
    let nodes = [(3, "node3"), (4, "node4")].map(|(n, name)| Node::new(&guard, &lan, name, n).unwrap());
    let vip = IpAddr::V4(lan::ip4(200));
    let start = |at: usize, priority| Keepalived::start(&nodes[at], vip, priority, guard.dir()).unwrap();
    let (first, second) = (start(0, 200), start(1, 100));
    first.wait_master(true).unwrap();
    second.wait_master(false).unwrap();
    split(&[&nodes[0], &nodes[1]]).unwrap();
    second.wait_master(true).unwrap();
    assert!(first.is_master(), "split brain: both have it");
    heal(&[&nodes[0], &nodes[1]]).unwrap();
    second.wait_master(false).unwrap();
    first.stop().unwrap();
    second.wait_master(true).unwrap();
    second.stop().unwrap();
}
