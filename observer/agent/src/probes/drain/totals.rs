//! Arithmetic on counters, and their form in the journal.

use observer_abi::Counters;

/// Returns the numbers of counters, for the journal.
pub(super) fn numbers(counters: &Counters) -> Vec<u64> {
    let Counters { syn, syn_retransmits, rst, outcomes } = counters;
    [*syn, *syn_retransmits].into_iter().chain(rst.iter().flatten().copied()).chain(*outcomes).collect()
}

/// Returns counters of these numbers.
pub(super) fn counters(numbers: &[u64]) -> Counters {
    let number = |at: usize| numbers.get(at).copied().unwrap_or_default();
    Counters {
        syn: number(0),
        syn_retransmits: number(1),
        rst: std::array::from_fn(|side| std::array::from_fn(|phase| number(2 + 3 * side + phase))),
        outcomes: std::array::from_fn(|outcome| number(8 + outcome)),
    }
}

/// Returns the sum.
pub(super) fn add(a: &Counters, b: &Counters) -> Counters {
    combine(a, b, u64::wrapping_add)
}

/// Returns the difference.
pub(super) fn subtract(a: &Counters, b: &Counters) -> Counters {
    combine(a, b, u64::wrapping_sub)
}

fn combine(a: &Counters, b: &Counters, f: fn(u64, u64) -> u64) -> Counters {
    Counters {
        syn: f(a.syn, b.syn),
        syn_retransmits: f(a.syn_retransmits, b.syn_retransmits),
        rst: std::array::from_fn(|s| std::array::from_fn(|p| f(a.rst[s][p], b.rst[s][p]))),
        outcomes: std::array::from_fn(|o| f(a.outcomes[o], b.outcomes[o])),
    }
}
