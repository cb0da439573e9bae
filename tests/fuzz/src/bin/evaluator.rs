//! Any changes of any small cluster: after each, both evaluators decide alike, also of pods that have gone.
//!
//! The input is a run of steps, so that the fuzzer can leave some out, repeat some, and join two runs.
#![no_main]

use std::sync::Arc;

use fuzz::agree;
use libfuzzer_sys::fuzz_target;
use observer::core::inventory::Inventory;
use observer::core::policy::arbitrary::{asked, edit, inventory};
use observer::core::policy::{Compiled, Plain};
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Bytes of a step: what to do, a seed, and the first choices of its generator.
const STEP: usize = 32;
const SEED: usize = 8;
/// Random bytes for the later choices. Choosing halves what is left, so it takes more than is used.
const REST: usize = 4 << 10;

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

    fn step(&mut self, step: &[u8]) {
        let Some((what, choices)) = step.split_first() else { return };
        match what % 8 {
            0 => self.change(|now| *now = draw(&inventory(), choices)),
            1..=3 => self.change(|now| draw(&edit(), choices).apply(now)),
            _ => self.ask(choices),
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Inventory)) {
        self.before = self.now.clone();
        change(&mut self.now);
        let now = Arc::new(self.now.clone());
        self.plain = Plain::new(Arc::clone(&now));
        self.compiled.update(now);
    }

    fn ask(&self, choices: &[u8]) {
        let asked = draw(&asked(), choices);
        for inventory in [self.compiled.inventory(), &self.now, &self.before] {
            agree(&self.plain, &self.compiled, &asked.of(inventory));
        }
    }
}

/// Draws a value. The bytes are its first choices as they are: a small change of them is a small change of the value.
fn draw<S: Strategy>(strategy: &S, choices: &[u8]) -> S::Value {
    let (seed, first) = choices.split_at(choices.len().min(SEED));
    let mut rest = seed.iter().fold(0x9e37_79b9_7f4a_7c15, |seed, byte| mix(seed ^ u64::from(*byte)));
    let mut bytes = first.to_vec();
    while bytes.len() < REST {
        rest = mix(rest);
        bytes.extend(rest.to_le_bytes());
    }
    let rng = TestRng::from_seed(RngAlgorithm::PassThrough, &bytes);
    let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
    strategy.new_tree(&mut runner).expect("the generator refuses nothing").current()
}

/// A step of splitmix64.
fn mix(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
