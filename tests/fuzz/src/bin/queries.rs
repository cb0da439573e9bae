//! Takes any lines as questions. Each gets an answer that can be sent and read again.
#![no_main]

use std::sync::LazyLock;

use flow_model::decision::Decision;
use flow_objects::manifests;
use flow_policy::query::{Explainer, Query, Reply, reply};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

static EXPLAINER: LazyLock<Explainer> = LazyLock::new(|| {
    let manifests = manifests::parse("cluster.yaml", include_bytes!("../../seeds/policies/cluster.yaml"));
    assert_eq!(manifests.problems, []);
    Explainer::new(manifests.inventory)
});

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|byte| *byte == b'\n') {
        in_json(line);
        as_typed(line);
    }
});

fn in_json(line: &[u8]) {
    let reply = reply(&EXPLAINER, line);
    check(&reply);
    if let Ok(Value::Object(question)) = serde_json::from_slice(line) {
        assert_eq!(question.get("id").unwrap_or(&Value::Null), &reply.id, "another question's id");
    }
}

/// Reads the line as `FROM TO`, as on the command line.
fn as_typed(line: &[u8]) {
    let Some((from, to)) = str::from_utf8(line).ok().and_then(|line| line.split_once(' ')) else { return };
    if let Ok(query) = Query::parse(from, to) {
        check(&Reply::new(Value::Null, EXPLAINER.answer(&query)));
    }
}

fn check(reply: &Reply) {
    assert!(!reply.explanation.is_empty(), "no explanation: {reply:?}");
    assert!(reply.error.is_none() || reply.decision == Decision::Unknown, "decided by error: {reply:?}");
    let sent = serde_json::to_string(reply).expect("a reply is JSON");
    assert!(!sent.contains('\n'), "a reply is one line");
    let read: Reply = serde_json::from_str(&sent).expect("a reply is read again");
    assert_eq!(&read, reply);
}
