//! Audits any plan against any baseline. The plan is on the first line and the baseline on the second; one that can't be
//! read is replaced by a good one.
#![no_main]

use std::sync::LazyLock;

use flow_model::baseline::Baseline;
use flow_objects::plan;
use flow_policy::audit::{Change, audit};
use libfuzzer_sys::fuzz_target;

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

/// Checks that each finding has a message, and that a second audit finds the same.
fn check(change: &Change, baselines: &[Baseline]) {
    let report = audit(change, baselines);
    for finding in &report.findings {
        assert!(!finding.message.is_empty(), "no message: {finding:?}");
    }
    let again = audit(change, baselines);
    assert_eq!(format!("{report:?}"), format!("{again:?}"), "the order of the findings is random");
}
