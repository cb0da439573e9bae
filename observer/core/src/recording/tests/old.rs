//! Recordings of older versions replay.
//!
//! `testdata/0.1.0.rec` was written by the agent of commit 746802a, and `0.1.0.ndjson` is its contents. They hold every
//! kind of input, and in its inventory every kind of policy.

use std::collections::BTreeSet;

use arcstr::ArcStr;
use flow_model::output::Output;
use flow_model::record::FlowRecord;
use serde_json::Value;

use crate::engine::Engine;
use crate::recording::tests::{Entry, read};

const RECORDING: &[u8] = include_bytes!("../testdata/0.1.0.rec");
const CONTENTS: &str = include_str!("../testdata/0.1.0.ndjson");

fn entries() -> Vec<Entry> {
    let (entries, error) = read(RECORDING);
    assert!(error.is_none(), "{error:?}");
    entries
}

/// Is true if `new` has everything that `old` has. A later version may add fields.
fn includes(new: &Value, old: &Value) -> bool {
    match (new, old) {
        (Value::Object(new), Value::Object(old)) => {
            old.iter().all(|(key, old)| new.get(key).is_some_and(|new| includes(new, old)))
        }
        (Value::Array(new), Value::Array(old)) => {
            new.len() == old.len() && new.iter().zip(old).all(|(new, old)| includes(new, old))
        }
        (new, old) => new == old,
    }
}

#[test]
fn every_input_of_an_old_recording_is_read_whole() {
    let entries = entries();
    assert_eq!(entries.len(), CONTENTS.lines().count());
    for (entry, old) in entries.iter().zip(CONTENTS.lines()) {
        let new = serde_json::to_value(entry).unwrap();
        assert!(includes(&new, &serde_json::from_str(old).unwrap()), "{new}\n{old}");
    }
}

#[test]
fn the_old_recording_holds_every_kind_of_input() {
    let kind = |line: &str| {
        let (_, input): (String, Value) = serde_json::from_str(line).unwrap();
        input["input"].as_str().unwrap().to_owned()
    };
    let kinds: BTreeSet<_> = CONTENTS.lines().map(kind).collect();
    let expected = [
        "announcement",
        "attempt",
        "check",
        "cluster",
        "connections",
        "drop",
        "drops",
        "lost",
        "neighbours",
        "pairs",
        "reset",
        "tick",
        "unclaimed",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
}

#[test]
fn the_engine_replays_an_old_recording() {
    let mut engine = Engine::new(ArcStr::from("k8s-node1"));
    let mut records: Vec<FlowRecord> = Vec::new();
    let mut drain = |engine: &mut Engine| {
        while let Some(output) = engine.next_output() {
            if let Output::Record(record) = output {
                records.push(record);
            }
        }
    };
    for (time, input) in entries() {
        engine.handle(input, time);
        drain(&mut engine);
    }
    engine.finish();
    drain(&mut engine);
    let explanations = records.iter().filter_map(|record| {
        let record = serde_json::to_value(record).unwrap();
        Some(record["verdict"]["explanation"].as_str()?.to_owned())
    });
    let refused = "refused by NetworkPolicy data/cache-ingress; no rule admits namespace web; the nearest admits \
                   namespace batch";
    assert!(explanations.into_iter().any(|text| text == refused), "{records:#?}");
}
