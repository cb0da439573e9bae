//! Held equal to the plain evaluator, on random clusters and through random changes.

use std::sync::Arc;

use flow_model::decision::Decision;
use flow_model::inventory::Inventory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::Plain;
use crate::arbitrary::{Asked, asked, edit, inventory, read_again};
use crate::compiled::Compiled;

/// Compares with the plain evaluator on every connection, also with pods that the evaluators know by their labels alone.
fn agrees(compiled: &Compiled, inventory: &Inventory, connections: &[Asked]) -> Result<(), TestCaseError> {
    let plain = Plain::new(Arc::clone(compiled.inventory()));
    for asked in connections {
        let connection = asked.of(inventory);
        prop_assert_eq!(compiled.rule(&connection), plain.rule(&connection), "{:#?}", connection);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decides_as_the_plain_one(inventory in inventory(), connections in vec(asked(), 24)) {
        let inventory = Arc::new(inventory);
        let compiled = Compiled::new(Arc::clone(&inventory));
        agrees(&compiled, &inventory, &connections)?;
        agrees(&compiled, &read_again(&inventory), &connections)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn follows_changes(
        mut inventory in inventory(),
        steps in vec((vec(edit(), 1..4), vec(asked(), 8)), 1..12),
    ) {
        let mut compiled = Compiled::new(Arc::new(inventory.clone()));
        for (edits, connections) in steps {
            let before = inventory.clone();
            edits.iter().for_each(|edit| edit.apply(&mut inventory));
            compiled.update(Arc::new(inventory.clone()));
            agrees(&compiled, compiled.inventory(), &connections)?;
            // Of pods that have just gone or changed.
            agrees(&compiled, &before, &connections)?;
        }
    }

    /// Nothing is left behind: whatever came and went, the tables are as large as those made at once.
    #[test]
    fn forgets_what_is_gone(mut inventory in inventory(), edits in vec(edit(), 1..20)) {
        let mut compiled = Compiled::new(Arc::new(inventory.clone()));
        for edit in &edits {
            edit.apply(&mut inventory);
            compiled.update(Arc::new(inventory.clone()));
        }
        prop_assert_eq!(compiled.in_use(), Compiled::new(Arc::new(inventory)).in_use());
        compiled.update(Arc::new(Inventory::default()));
        prop_assert_eq!(compiled.in_use(), [0; 7]);
    }
}

impl Compiled {
    /// Numbers given for namespaces, labels, groups, selectors of both kinds, policies and pods.
    fn in_use(&self) -> [usize; 7] {
        let ([names, namespace_selectors], [sets, pod_selectors]) =
            (self.tables.spaces.in_use(), self.tables.labels.in_use());
        let groups = self.groups.ids().len();
        [
            names,
            sets,
            groups,
            namespace_selectors,
            pod_selectors,
            self.policies.iter().count(),
            self.pods.len(),
        ]
    }
}

/// What the properties above are worth: each decision, and each agreement, is about something.
#[test]
fn random_clusters_give_every_decision_its_share() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [[0u32; 3]; 2];
    let strategy = (inventory(), vec(asked(), 20));
    for _ in 0..300 {
        let (inventory, connections) = strategy.new_tree(&mut runner).unwrap().current();
        let inventory = Arc::new(inventory);
        let compiled = Compiled::new(Arc::clone(&inventory));
        for asked in &connections {
            let ruling = compiled.rule(&asked.of(&inventory));
            for (counts, decision) in counts.iter_mut().zip([ruling.ingress, ruling.egress]) {
                counts[match decision {
                    Decision::Allow => 0,
                    Decision::Deny => 1,
                    Decision::Unknown => 2,
                }] += 1;
            }
        }
    }
    for of_direction in counts {
        let least = of_direction.iter().sum::<u32>() / 10;
        assert!(of_direction.iter().all(|count| *count >= least), "{counts:?}");
    }
}
