use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use tokio::task::{LocalSet, yield_now};

use super::*;

#[derive(Default)]
struct Seen {
    running: HashMap<SocketAddr, usize>,
    most_at_one: usize,
    most: usize,
}

impl Seen {
    fn enter(&mut self, target: SocketAddr) {
        let at = self.running.entry(target).or_default();
        *at += 1;
        self.most_at_one = self.most_at_one.max(*at);
        self.most = self.most.max(self.running.values().sum());
    }

    fn leave(&mut self, target: SocketAddr) {
        *self.running.entry(target).or_default() -= 1;
    }
}

fn target(n: u8) -> SocketAddr {
    ([10, 0, 0, n], 80).into()
}

async fn visit(gate: &Gate, seen: &RefCell<Seen>, (n, stay): (u8, u8)) {
    let _turn = gate.turn(target(n)).await;
    seen.borrow_mut().enter(target(n));
    for _ in 0..stay {
        yield_now().await;
    }
    seen.borrow_mut().leave(target(n));
}

/// Each inner list is one task's visits: target and number of times it lets others run.
fn play(tasks: Vec<Vec<(u8, u8)>>) -> (Seen, usize) {
    let (gate, seen) = (Rc::new(Gate::default()), Rc::new(RefCell::new(Seen::default())));
    let local = LocalSet::new();
    for visits in tasks {
        let (gate, seen) = (Rc::clone(&gate), Rc::clone(&seen));
        local.spawn_local(async move {
            for at in visits {
                visit(&gate, &seen, at).await;
            }
        });
    }
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(local);
    gate.lane(target(0));
    let lanes = gate.lanes.lock().len();
    (seen.take(), lanes)
}

proptest! {
    #[test]
    fn each_target_has_one_check_at_a_time_and_all_get_a_turn(
        tasks in prop::collection::vec(prop::collection::vec((0u8..6, 0u8..4), 0..6), 0..40)
    ) {
        let any = tasks.iter().any(|visits| !visits.is_empty());
        let (seen, lanes) = play(tasks);
        prop_assert_eq!(seen.most_at_one, usize::from(any));
        prop_assert!(seen.running.values().all(|n| *n == 0));
        prop_assert_eq!(lanes, 1, "unused lanes are removed");
    }
}

#[test]
fn no_more_than_the_limit_run_at_once() {
    let (seen, _) = play((0..64).map(|n| vec![(n, 3), (n, 3)]).collect());
    assert_eq!(seen.most, MAX_RUNNING);
}

#[test]
fn both_spellings_of_an_address_are_one_target() {
    let gate = Gate::default();
    let mapped: SocketAddr = "[::ffff:10.0.0.1]:80".parse().unwrap();
    assert!(Arc::ptr_eq(&gate.lane(mapped), &gate.lane(target(1))));
}
