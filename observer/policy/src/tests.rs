//! The decisions of policies, case by case.

mod broken;
mod enforcers;
mod pitfalls;
mod sentences;
mod tiers;

use crate::testing::Judged as _;
use flow_model::decision::Decision;
use flow_model::testing::{Cluster, labels, selector};
use rstest::rstest;

/// Checks the decisions of egress at the source and of ingress at the destination, in this order: `+` allow, `-` deny,
/// `?` unknown.
fn check(cluster: &Cluster, src: &str, dst: &str, port: &str, expected: &str) {
    let verdict = cluster.judge(src, dst, port);
    let sign = |decision| match decision {
        Decision::Allow => '+',
        Decision::Deny => '-',
        Decision::Unknown => '?',
    };
    let got: String = [verdict.egress.decision, verdict.ingress.decision].map(sign).iter().collect();
    assert_eq!(got, expected, "{src} -> {dst}:{port}: {verdict:#?}");
}

#[rstest]
#[case::empty("", "app=web", true)]
#[case::empty_of_unlabelled("", "", true)]
#[case::one_value("app=web", "app=web,tier=a", true)]
#[case::other_value("app=web", "app=api", false)]
#[case::all_must_hold("app=web,tier=a", "app=web", false)]
#[case::one_of("tier=a|b", "tier=b", true)]
#[case::one_of_needs_the_key("tier=a|b", "", false)]
#[case::none_of("tier!=a|b", "tier=c", true)]
#[case::none_of_hit("tier!=a|b", "tier=b", false)]
#[case::none_of_without_the_key("tier!=a", "", true)]
#[case::exists("tier", "tier=", true)]
#[case::exists_not("tier", "", false)]
#[case::lacks("!tier", "", true)]
#[case::lacks_not("!tier", "tier=", false)]
#[case::empty_value_needs_the_key("tier=", "", false)]
#[case::empty_value("tier=", "tier=", true)]
#[case::key_twice("app=web,app!=web", "app=web", false)]
fn selectors(#[case] text: &str, #[case] of: &str, #[case] matches: bool) {
    assert_eq!(selector(text).matches(&labels(of)), matches);
}

#[rstest]
#[case("", "")]
#[case("app=web", "app=web")]
#[case("app=web,tier=a|b", "app=web,tier in (a,b)")]
#[case("tier!=a,x!=b|c", "tier!=a,x notin (b,c)")]
#[case("key,!other", "key,!other")]
fn selectors_read_as_kubectl_writes_them(#[case] text: &str, #[case] written: &str) {
    assert_eq!(selector(text).to_string(), written);
}
