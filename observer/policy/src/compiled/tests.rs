//! The compiled evaluator equals the plain one, on random clusters and through random changes.

use std::sync::Arc;

use flow_model::decision::{Decision, Ruling};
use flow_model::inventory::Inventory;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::Plain;
use crate::arbitrary::{Question, edit, inventory, question, read_again};
use crate::compiled::Compiled;

/// Compares with the plain evaluator on every connection, also with pods that the evaluators know by their labels alone.
fn agrees(compiled: &Compiled, inventory: &Inventory, questions: &[Question]) -> Result<(), TestCaseError> {
    let plain = Plain::new(Arc::clone(compiled.inventory()));
    for question in questions {
        let connection = question.of(inventory);
        prop_assert_eq!(compiled.rule(&connection), plain.rule(&connection), "{:#?}", connection);
    }
    // Connections that change on their way.
    for pair in questions.windows(2) {
        let (leaving, arriving) = (pair[0].of(inventory), pair[1].of(inventory));
        let expected = Ruling { egress: plain.rule(&leaving).egress, ingress: plain.rule(&arriving).ingress };
        prop_assert_eq!(compiled.rule_between(&leaving, &arriving), expected);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decides_as_the_plain_one(inventory in inventory(), questions in vec(question(), 24)) {
        let inventory = Arc::new(inventory);
        let compiled = Compiled::new(Arc::clone(&inventory));
        agrees(&compiled, &inventory, &questions)?;
        agrees(&compiled, &read_again(&inventory), &questions)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn follows_changes(
        mut inventory in inventory(),
        steps in vec((vec(edit(), 1..4), vec(question(), 8)), 1..12),
    ) {
        let mut compiled = Compiled::new(Arc::new(inventory.clone()));
        for (edits, questions) in steps {
            let before = inventory.clone();
            edits.iter().for_each(|edit| edit.apply(&mut inventory));
            compiled.update(Arc::new(inventory.clone()));
            agrees(&compiled, compiled.inventory(), &questions)?;
            // The same about pods that have just gone or changed.
            agrees(&compiled, &before, &questions)?;
        }
    }

    /// Whatever came and went, the tables are as large as those of a new evaluator.
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
    /// Counts the numbers in use for namespaces, labels, groups, selectors of both kinds, policies and pods.
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

    /// Returns the bytes that the policies take.
    pub(crate) fn names_memory(&self) -> usize {
        self.policies.iter().map(super::program::Policy::memory).sum()
    }
}

/// The properties above mean something only if every decision occurs often.
#[test]
fn random_clusters_give_every_decision_its_share() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [[0u32; 3]; 2];
    let strategy = (inventory(), vec(question(), 20));
    for _ in 0..300 {
        let (inventory, questions) = strategy.new_tree(&mut runner).unwrap().current();
        let inventory = Arc::new(inventory);
        let compiled = Compiled::new(Arc::clone(&inventory));
        for question in &questions {
            let ruling = compiled.rule(&question.of(&inventory));
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
