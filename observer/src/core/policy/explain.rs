//! Verdicts in words.

use std::fmt::Display;

use arcstr::ArcStr;

use super::model::{Action, NetworkPolicy, TierPolicy};
use super::plain::{Basis, Judgement, Plain, RuleRef, TierRef, View};
use super::{Connection, Decision, Direction, DirectionVerdict, Verdict, Who};

/// Judges both directions and says why.
pub(super) fn verdict(plain: &Plain, connection: &Connection<'_>) -> Verdict {
    let ingress = direction(plain, &View::new(connection, Direction::Ingress));
    let egress = direction(plain, &View::new(connection, Direction::Egress));
    let mut verdict = Verdict { decision: Decision::Unknown, ingress, egress, explanation: String::new() };
    verdict.decision = verdict.ruling().decision();
    verdict.explanation = whole(&verdict);
    verdict
}

/// What decides, or on allow both directions.
fn whole(verdict: &Verdict) -> String {
    let both = [&verdict.ingress, &verdict.egress];
    let deciding = both.into_iter().filter(|direction| direction.decision == verdict.decision);
    deciding.map(|direction| direction.explanation.as_str()).collect::<Vec<_>>().join("; ")
}

fn direction(plain: &Plain, view: &View<'_>) -> DirectionVerdict {
    let judgement = plain.direction(view);
    DirectionVerdict {
        decision: judgement.basis.decision(),
        policies: policies(&judgement),
        rules: rules(&judgement.basis, view.direction),
        nearest: None,
        explanation: sentence(&judgement, view),
    }
}

fn policies(judgement: &Judgement<'_>) -> Vec<ArcStr> {
    let tiered = judgement.tiered.iter().map(|policy| policy.name.clone());
    tiered.chain(judgement.selecting.iter().map(|policy| policy_name(policy))).collect()
}

fn rules(basis: &Basis<'_>, direction: Direction) -> Vec<ArcStr> {
    match basis {
        Basis::Rules(rules) => rules.iter().map(|rule| rule_name(*rule, direction)).collect(),
        Basis::Tier(rule) => vec![tier_rule_name(*rule, direction)],
        _ => Vec::new(),
    }
}

fn sentence(judgement: &Judgement<'_>, view: &View<'_>) -> String {
    let direction = view.direction;
    match &judgement.basis {
        Basis::Rules(_) => format!("allowed by {}", listed("", &rules(&judgement.basis, direction))),
        Basis::Tier(rule) if rule.action == Action::Deny => {
            format!("refused by {}", tier_rule_name(*rule, direction))
        }
        Basis::Tier(rule) => format!("allowed by {}", tier_rule_name(*rule, direction)),
        Basis::Isolated => format!("refused by {}", isolating(&judgement.selecting)),
        Basis::Unknown(why) => format!("not known: {why}"),
        Basis::NotIsolated => format!("no policy selects {} for {}", subject(view), word(direction)),
        Basis::Outside => "policies do not select what is outside the cluster".to_owned(),
        Basis::HostNetwork => "policies do not select nodes".to_owned(),
        Basis::Itself => "a pod can't block itself".to_owned(),
        Basis::OwnNode => "a pod and its own node are always let through".to_owned(),
    }
}

fn subject(view: &View<'_>) -> String {
    match view.subject.who {
        Who::Pod(pod) => format!("{}/{}", pod.namespace, pod.name),
        Who::Node(node) => format!("node {node}"),
        Who::External | Who::Unknown(_) => "it".to_owned(),
    }
}

fn isolating(policies: &[&NetworkPolicy]) -> String {
    let names: Vec<_> = policies.iter().map(|policy| policy_name(policy)).collect();
    listed(if names.len() == 1 { "NetworkPolicy " } else { "NetworkPolicies " }, &names)
}

/// At most three by name: "a, b and c", "a, b, c and 2 more".
fn listed(what: &str, names: &[impl Display]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
    let list = match (shown.as_slice(), names.len().saturating_sub(3)) {
        (shown, more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        ([all @ .., last], 0) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (shown, 0) => shown.join(""),
    };
    format!("{what}{list}")
}

pub(super) fn policy_name(policy: &NetworkPolicy) -> ArcStr {
    format!("{}/{}", policy.namespace, policy.name).into()
}

pub(super) fn rule_name(rule: RuleRef<'_>, direction: Direction) -> ArcStr {
    let NetworkPolicy { namespace, name, .. } = rule.policy;
    format!("{namespace}/{name}#{}[{}]", word(direction), rule.index).into()
}

fn tier_rule_name(rule: TierRef<'_>, direction: Direction) -> ArcStr {
    let TierPolicy { kind, name, .. } = rule.policy;
    format!("{kind} {name}#{}[{}]", word(direction), rule.index).into()
}

pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}
