//! Applies any changes to any small cluster. After each, both evaluators make the same decisions, also about pods that have
//! gone.
//!
//! The input is a sequence of steps, so that the fuzzer can leave some out, repeat some, and join two sequences.
#![no_main]

use std::sync::Arc;

use flow_model::inventory::Inventory;
use flow_policy::arbitrary::{edit, inventory, question};
use flow_policy::{Compiled, Plain};
use fuzz::agree;
use libfuzzer_sys::fuzz_target;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Bytes of a step: one selects the action, the others seed its arguments.
const STEP: usize = 8;

struct Scene {
    before: Inventory,
    now: Inventory,
    plain: Plain,
    compiled: Compiled,
}

fuzz_target!(|bytes: &[u8]| {
    let mut scene = Scene::new();
    for step in bytes.chunks(STEP) {
        scene.step(step);
    }
});

impl Scene {
    fn new() -> Self {
        let none = Arc::new(Inventory::default());
        let (plain, compiled) = (Plain::new(Arc::clone(&none)), Compiled::new(none));
        Self { before: Inventory::default(), now: Inventory::default(), plain, compiled }
    }

    /// Takes the action from the low bits of the first byte (0, 1 to 3, 4 to 7), so that seeds can be written in digits.
    fn step(&mut self, step: &[u8]) {
        let Some((what, seed)) = step.split_first() else { return };
        match what % 8 {
            0 => self.change(|now| *now = draw(&inventory(), seed)),
            1..=3 => self.change(|now| draw(&edit(), seed).apply(now)),
            _ => self.ask(seed),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Inventory)) {
        self.before = self.now.clone();
        change(&mut self.now);
        let now = Arc::new(self.now.clone());
        self.plain = Plain::new(Arc::clone(&now));
        self.compiled.update(now);
    }

    fn ask(&self, seed: &[u8]) {
        let question = draw(&question(), seed);
        for inventory in [self.compiled.inventory(), &self.now, &self.before] {
            agree(&self.plain, &self.compiled, &question.of(inventory));
        }
    }
}

/// Draws a value, with the bytes as the seed of a random generator. They can't be the random data themselves, because
/// proptest's generators never end on data that runs out.
fn draw<S: Strategy>(strategy: &S, seed: &[u8]) -> S::Value {
    let mut filled = [0; 32];
    filled[..seed.len()].copy_from_slice(seed);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &filled);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    strategy.new_tree(&mut runner).expect("the generator refuses nothing").current()
}
