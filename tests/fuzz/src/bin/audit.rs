//! Any plan against any baseline, on the first line and the second; in the place of one that is none stands a good one.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use observer::commands::audit::{plan};
use flow_policy::audit::{Change, audit};
use flow_model::baseline::{Baseline};

static GOOD: LazyLock<(Change, Baseline)> = LazyLock::new(|| {
    let (plan, baseline) = lines(include_bytes!("../../seeds/audit/plan.ndjson"));
    (plan::change(plan).expect("a plan"), Baseline::from_json(baseline).expect("a baseline"))
});

fuzz_target!(|bytes: &[u8]| {
    let (plan, baseline) = lines(bytes);
    let (plan, baseline) = (plan::change(plan), Baseline::from_json(baseline));
    if plan.is_err() && baseline.is_err() {
        return;
    }
    let change = plan.unwrap_or_else(|_| GOOD.0.clone());
    check(&change, &[baseline.unwrap_or_else(|_| GOOD.1.clone())]);
    check(&change, &[]);
});

fn lines(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    (lines.next().unwrap_or_default(), lines.next().unwrap_or_default())
}

/// What it finds can be told, and is the same each time.
fn check(change: &Change, baselines: &[Baseline]) {
    let report = audit(change, baselines);
    for finding in &report.findings {
        assert!(!finding.message.is_empty(), "nothing is said: {finding:?}");
    }
    let again = audit(change, baselines);
    assert_eq!(format!("{report:?}"), format!("{again:?}"), "the order is up to chance");
}
