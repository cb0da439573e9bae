//! The printed reports.

use super::*;

/// A finding, an ignored one, and a check without facts.
fn sample() -> Report {
    let ignored = policy("b", "q", "{podSelector: {}, ingress: [{}, {}]}")
        .replace("name: q,", "name: q, annotations: {flow-observer.io/audit-ignore: 'kept, for 100%'},");
    let mut change = manifests::stdin(
        format!("{}{ignored}", policy("a", "p", "{podSelector: {matchLabels: {a: b}}, ingress: [{}, {}]}"))
            .as_bytes(),
        None,
    )
    .unwrap();
    for policy in &mut change.policies {
        policy.place = Place::File { file: "net pol/a.yaml".into(), line: 7 };
    }
    audit(&change, &[])
}

use flow_policy::audit::Place;

fn printed(format: Format) -> String {
    let mut out = Vec::new();
    print(format, &sample(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text() {
    let expected = "\
net pol/a.yaml
  line 7: note NetworkPolicy a/p: ingress[1] repeats ingress[0] [rule-shadowed]

Ignored by annotation:
  net pol/a.yaml:7: NetworkPolicy b/q: ingress[1] repeats ingress[0] [rule-shadowed]; reason given: kept, for 100%

Not checked, because facts are missing:
  pod-selector-matches-nothing: no pod of namespace a is known

1 note in 2 policies; 1 ignored. No flows were judged; give observed ones with --flows, --url or --all-nodes.
";
    assert_eq!(anstream::adapter::strip_str(&printed(Format::Text)).to_string(), expected);
}

#[test]
fn json() {
    let read: Value = serde_json::from_str(&printed(Format::Json)).unwrap();
    let finding = |object: &str| {
        json!({
            "rule": "rule-shadowed", "level": "note", "file": "net pol/a.yaml", "line": 7, "object": object,
            "message": "ingress[1] repeats ingress[0]",
        })
    };
    let mut ignored = finding("NetworkPolicy b/q");
    ignored["reason"] = json!("kept, for 100%");
    let expected = json!({
        "version": 1, "found": true, "findings": [finding("NetworkPolicy a/p")], "ignored": [ignored], "unknown_flows": [],
        "unjudged": [], "not_run": [{"rule": "pod-selector-matches-nothing", "why": "no pod of namespace a is known"}],
        "notes": [], "policies": 2, "flows": null, "nodes": null,
    });
    assert_eq!(read, expected);
}

#[test]
fn sarif() {
    let read: Value = serde_json::from_str(&printed(Format::Sarif)).unwrap();
    assert_eq!(read["version"], "2.1.0");
    let run = &read["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 11);
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["level"], "note");
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "net%20pol/a.yaml");
        assert_eq!(place["region"]["startLine"], 7);
    }
    assert_eq!(results[0].get("suppressions"), None);
    let suppression = json!([{"kind": "inSource", "status": "accepted", "justification": "kept, for 100%"}]);
    assert_eq!(results[1]["suppressions"], suppression);
    let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    assert!(notes.iter().any(|note| note["message"]["text"].as_str().unwrap().contains("was not checked")));
}

#[test]
fn github() {
    let expected = "\
::notice file=net pol/a.yaml,line=7,title=rule-shadowed::NetworkPolicy a/p: ingress[1] repeats ingress[0]
::notice file=net pol/a.yaml,line=7,title=rule-shadowed (ignored)::NetworkPolicy b/q: ingress[1] repeats ingress[0]; \
reason given: kept, for 100%25
::debug::pod-selector-matches-nothing was not checked: no pod of namespace a is known
1 note in 2 policies; 1 ignored. No flows were judged; give observed ones with --flows, --url or --all-nodes.
";
    assert_eq!(printed(Format::Github), expected);
}

#[test]
fn gitlab() {
    let read: Value = serde_json::from_str(&printed(Format::Gitlab)).unwrap();
    let fingerprint = read[0]["fingerprint"].as_str().unwrap();
    assert_eq!(fingerprint.len(), 64);
    let expected = json!([{
        "check_name": "rule-shadowed", "severity": "info", "fingerprint": fingerprint,
        "description": "NetworkPolicy a/p: ingress[1] repeats ingress[0]",
        "location": {"path": "net pol/a.yaml", "lines": {"begin": 7}},
    }]);
    assert_eq!(read, expected);
}
