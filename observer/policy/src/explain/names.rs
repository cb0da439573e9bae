//! Names of policies and rules, as the API and users write them.

use std::fmt::Display;

use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Direction, NetworkPolicy};
use flow_model::rule_ref::RuleRef;

use crate::plain::{self, Basis, Judgement, TierRef};
use crate::readings;

/// Returns the policies that select the pod, in the order of the tiers.
pub(super) fn policies(judgement: &Judgement<'_>) -> Vec<ObjectRef> {
    use flow_model::policies::Tier::{Admin, Baseline};
    let of = |tier| {
        let policies = judgement.tiered.iter().filter(move |policy| policy.tier == tier);
        policies.map(|policy| policy.object_ref())
    };
    of(Admin)
        .chain(judgement.selecting.iter().map(|policy| policy.object_ref()))
        .chain(of(Baseline))
        .collect()
}

/// Returns the rules that decide.
pub(super) fn rules(basis: &Basis<'_>, direction: Direction) -> Vec<RuleRef> {
    match basis {
        Basis::Rules(rules) => rules.iter().map(|rule| rule_name(*rule, direction)).collect(),
        Basis::Tier(rule) => vec![tier_rule_name(*rule, direction)],
        _ => Vec::new(),
    }
}

pub(super) fn has_rules(policy: &NetworkPolicy, direction: Direction) -> bool {
    readings::rules(policy, direction).is_some_and(|rules| !rules.is_empty())
}

pub(super) fn rule_name(rule: plain::RuleRef<'_>, direction: Direction) -> RuleRef {
    RuleRef { kind: None, policy: rule.policy.object_ref(), direction, index: rule.index }
}

pub(super) fn tier_rule_name(rule: TierRef<'_>, direction: Direction) -> RuleRef {
    let policy = rule.policy.object_ref();
    RuleRef { kind: Some(rule.policy.kind), policy, direction, index: rule.index }
}

/// Joins at most three names and counts the rest: "a, b and c", "a, b, c and 2 more".
pub(super) fn listed(names: &[impl Display]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
    match (shown.as_slice(), names.len().saturating_sub(3)) {
        (shown, more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        ([all @ .., last], 0) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (shown, 0) => shown.concat(),
    }
}
