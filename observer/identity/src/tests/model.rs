//! Random lives of pods, against a model that keeps everything and searches it from end to end.

use proptest::prelude::*;

use super::*;

/// A step of a random life. It happens a second or more after the step before.
#[derive(Clone, Debug)]
enum Step {
    /// A pod gets an address, perhaps one that is still held.
    Create { address: u8 },
    /// A living pod begins to go; it stays.
    Mark { pod: prop::sample::Index },
    /// A living pod goes for good.
    Remove { pod: prop::sample::Index },
    /// A living pod finishes; its object stays.
    Finish { pod: prop::sample::Index },
    /// Nothing, but what is old is forgotten.
    Prune,
}

fn step() -> impl Strategy<Value = (u16, Step)> {
    let index = any::<prop::sample::Index>;
    let kind = prop_oneof![
        3 => (0_u8..5).prop_map(|address| Step::Create { address }),
        1 => index().prop_map(|pod| Step::Mark { pod }),
        3 => index().prop_map(|pod| Step::Remove { pod }),
        1 => index().prop_map(|pod| Step::Finish { pod }),
        1 => Just(Step::Prune),
    ];
    (prop_oneof![1_u16..5, 1_u16..400], kind)
}

/// Everything that ever was.
#[derive(Default)]
struct Model {
    lives: Vec<Life>,
}

struct Life {
    pod: Pod,
    start: i64,
    end: Option<i64>,
    /// Its object is still there.
    listed: bool,
}

impl Model {
    fn pick(&mut self, index: prop::sample::Index) -> Option<&mut Life> {
        let mut living: Vec<_> = self.lives.iter_mut().filter(|life| life.end.is_none()).collect();
        (!living.is_empty()).then(|| living.swap_remove(index.index(living.len())))
    }

    fn take(&mut self, step: &Step, now: i64) {
        match *step {
            Step::Create { address } => {
                let address = format!("10.0.0.{address}");
                let name = format!("p-{}", self.lives.len());
                #[expect(clippy::cast_precision_loss, reason = "small numbers")]
                let pod = mk_pod(&name, &[&address], Some(now as f64));
                self.lives.push(Life { pod, start: now, end: None, listed: true });
            }
            Step::Mark { pod } => {
                if let Some(life) = self.pick(pod) {
                    life.pod.deleting = true;
                }
            }
            Step::Remove { pod } => {
                if let Some(life) = self.pick(pod) {
                    (life.end, life.listed) = (Some(now), false);
                }
            }
            Step::Finish { pod } => {
                if let Some(life) = self.pick(pod) {
                    life.end = Some(now);
                    life.pod.finished = true;
                }
            }
            Step::Prune => {}
        }
    }

    fn inventory(&self) -> Inventory {
        let listed = self.lives.iter().filter(|life| life.listed);
        let pods = listed.map(|life| {
            let ips = if life.pod.finished { Vec::new() } else { life.pod.ips.clone() };
            Pod { ips, ..life.pod.clone() }
        });
        mk_inventory(pods, [])
    }

    /// Returns the youngest pod of those that had started by then and were not gone for more than 300 s, by its name.
    fn holder(&self, address: IpAddr, at: i64) -> Option<&str> {
        let held = |life: &&Life| {
            life.pod.ips[0] == address && life.start <= at && life.end.is_none_or(|end| at <= end + 300)
        };
        self.lives.iter().filter(held).max_by_key(|life| life.start).map(|life| &*life.pod.name)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_holder_is_who_a_naive_search_finds(
        steps in proptest::collection::vec(step(), 1..60),
        queries in proptest::collection::vec((0_u8..5, 0_i64..500), 30),
    ) {
        let (mut model, mut identity, mut now) = (Model::default(), Identity::new(), 0_i64);
        identity.apply(Arc::default(), t(0.0));
        for (wait, step) in &steps {
            now += i64::from(*wait);
            let time = Timestamp::from_second(1_700_000_000 + now).unwrap();
            model.take(step, now);
            if matches!(step, Step::Prune) {
                identity.prune(time);
            } else {
                identity.apply(Arc::new(model.inventory()), time);
            }
        }
        for (address, age) in queries {
            // Events are handled within 30 s; older ones may have been forgotten, but then only on pruning.
            let pruned = steps.iter().any(|(_, step)| matches!(step, Step::Prune));
            let at = now - if pruned { age % 30 } else { age };
            let address = ip(&format!("10.0.0.{address}"));
            let got = identity.pod(address, Timestamp::from_second(1_700_000_000 + at).unwrap());
            let expect = model.holder(address, at);
            // Shortly before a first start there is nobody in the model, and tolerance in what is tested.
            let early = |pod: &Arc<Pod>| {
                let ahead = pod.start.unwrap().as_second() - 1_700_000_000 - at;
                (1..=2).contains(&ahead)
            };
            let skew = expect.is_none() && got.is_some_and(early);
            prop_assert!(skew || got.map(|pod| &*pod.name) == expect, "{address} at {at}: {got:?}, not {expect:?}");
        }
    }

    #[test]
    fn workloads_depart_exactly_when_nothing_can_name_them(steps in proptest::collection::vec(step(), 1..60)) {
        let (mut model, mut identity, mut now) = (Model::default(), Identity::new(), 0_i64);
        let mut departed = Vec::new();
        for (wait, step) in &steps {
            now += i64::from(*wait);
            let time = Timestamp::from_second(1_700_000_000 + now).unwrap();
            model.take(step, now);
            identity.apply(Arc::new(model.inventory()), time);
            departed.extend(identity.departed(time));
        }
        // All pods are of one workload.
        let gone = |life: &Life| life.end.is_some_and(|end| now > end + 330);
        let ever = !model.lives.is_empty();
        prop_assert_eq!(identity.knows_workload("web", "p"), ever && !model.lives.iter().all(gone));
        let mut last = identity.departed(Timestamp::from_second(1_700_100_000 + now).unwrap());
        if model.lives.iter().any(|life| life.end.is_none()) {
            prop_assert!(last.is_empty());
        } else if ever {
            departed.append(&mut last);
            prop_assert!(!departed.is_empty());
            prop_assert!(!identity.knows_workload("web", "p"));
            prop_assert!(identity.is_empty());
        }
    }
}
