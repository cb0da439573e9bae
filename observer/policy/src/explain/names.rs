//! Names of policies and rules, as the API and people write them.

use std::fmt::Display;

use arcstr::ArcStr;
use flow_model::decision::Direction;
use flow_model::policies::{NetworkPolicy, TierPolicy};

use crate::plain::{self, Basis, Judgement, RuleRef, TierRef};

/// Policies that select the pod, in the order of the tiers.
pub(super) fn policies(judgement: &Judgement<'_>) -> Vec<ArcStr> {
    use flow_model::policies::Tier::{Admin, Baseline};
    let of = |tier| judgement.tiered.iter().filter(move |policy| policy.tier == tier).map(|p| p.name.clone());
    of(Admin)
        .chain(judgement.selecting.iter().map(|policy| policy_name(policy)))
        .chain(of(Baseline))
        .collect()
}

/// Rules that decide.
pub(super) fn rules(basis: &Basis<'_>, direction: Direction) -> Vec<ArcStr> {
    match basis {
        Basis::Rules(rules) => rules.iter().map(|rule| rule_name(*rule, direction)).collect(),
        Basis::Tier(rule) => vec![tier_rule_name(*rule, direction)],
        _ => Vec::new(),
    }
}

pub(super) fn has_rules(policy: &NetworkPolicy, direction: Direction) -> bool {
    plain::rules(policy, direction).is_some_and(|rules| !rules.is_empty())
}

/// `namespace/name`.
pub(super) fn policy_name(policy: &NetworkPolicy) -> ArcStr {
    format!("{}/{}", policy.namespace, policy.name).into()
}

/// `namespace/name#ingress[0]`.
pub(super) fn rule_name(rule: RuleRef<'_>, direction: Direction) -> ArcStr {
    let NetworkPolicy { namespace, name, .. } = rule.policy;
    format!("{namespace}/{name}#{}[{}]", word(direction), rule.index).into()
}

/// `AdminNetworkPolicy name#ingress[0]`.
pub(super) fn tier_rule_name(rule: TierRef<'_>, direction: Direction) -> ArcStr {
    let TierPolicy { kind, name, .. } = rule.policy;
    format!("{kind} {name}#{}[{}]", word(direction), rule.index).into()
}

pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// At most three by name: "a, b and c", "a, b, c and 2 more".
pub(super) fn listed(names: &[impl Display]) -> String {
    let shown: Vec<_> = names.iter().take(3).map(ToString::to_string).collect();
    match (shown.as_slice(), names.len().saturating_sub(3)) {
        (shown, more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        ([all @ .., last], 0) if !all.is_empty() => format!("{} and {last}", all.join(", ")),
        (shown, 0) => shown.concat(),
    }
}
