use flow_model::finding::FindingKind;
use strum::VariantArray as _;

use super::*;
use crate::client::print::testing::look;
use crate::sink::testing::{finding, resolved};

#[test]
fn the_sentence_comes_first_then_the_times() {
    let text = |finding: &Finding, colour| FindingText { finding, look: &look(colour) }.to_string();
    let found = Finding {
        count: 9,
        summary: "web/front can't reach data/db:5432: refused by NetworkPolicy data/deny\u{1b}[2J".into(),
        cause: Some("policy data/deny changed".into()),
        nodes: vec!["node1".into(), "node2".into()],
        ..finding("0f", 0)
    };
    let expected = "\
policy_denied         web/front can't reach data/db:5432: refused by NetworkPolicy data/deny?[2J
                      active since 2026-11-18 11:06:40, 9 times, last 2026-11-18 11:06:40; seen on node1, node2; id 0f
                      cause: policy data/deny changed
";
    assert_eq!(text(&found, false), expected);
    let over = Finding { previous: Some("0e".into()), ..resolved(finding("0f", 0), 5) };
    let expected = "\
policy_denied         summary of 0f
                      began 2026-11-18 11:06:40, once, last 2026-11-18 11:06:40; seen on node1; id 0f, after 0e
                      ended 2026-11-18 11:06:45: the policies allow it
";
    assert_eq!(text(&over, false), expected);
    assert!(text(&found, true).starts_with("\u{1b}[33mpolicy_denied"));
}

#[test]
fn every_kind_and_field_is_documented() {
    let text = include_str!("../../../../../../docs/FINDINGS.md");
    for kind in FindingKind::VARIANTS {
        assert!(text.contains(&format!("\n## {kind}\n\n> ")), "docs/FINDINGS.md lacks {kind} or its example");
    }
    for field in ["id", "subject", "previous", "of_src", "cause", "cause_at", "ended", "ended_because"] {
        assert!(text.contains(&format!("`{field}`")), "docs/FINDINGS.md lacks {field}");
    }
}
