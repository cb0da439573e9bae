//! The rule that comes closest.

use flow_model::inventory::Pod;

use crate::explain::miss::{Miss, meant, misses, rank};
use crate::plain::{Match, Plain, RuleRef, View};
use crate::readings;

/// Holds a rule, and every condition of it that fails.
#[derive(Clone, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) rule: RuleRef<'a>,
    pub(super) misses: Vec<Miss<'a>>,
}

/// Returns the rule that comes closest, or the first of several with the same rank.
pub(super) fn nearest<'a>(plain: &'a Plain, view: &View<'a>, pod: &'a Pod) -> Option<Candidate<'a>> {
    let selecting =
        plain.rules_for(view, pod).map(|rule| Candidate { rule, misses: misses(plain, rule, view) });
    selecting.chain(elsewhere(plain, view, pod)).min_by_key(|near| rank(plain, near.rule, &near.misses, view))
}

/// Returns rules that would admit, from policies in the pod's namespace that don't select the pod.
fn elsewhere<'a>(plain: &'a Plain, view: &View<'a>, pod: &'a Pod) -> impl Iterator<Item = Candidate<'a>> {
    let others = plain.of_namespace(&pod.namespace).filter(|policy| !policy.selector.matches(&pod.labels));
    others.filter(|policy| readings::rules(policy, view.direction).is_some()).filter_map(move |policy| {
        let mut would = RuleRef::all(policy, view.direction);
        let rule = would.find(|rule| plain.rule_matches(*rule, view) == Match::Yes)?;
        let meant = meant(plain, &policy.selector, pod);
        Some(Candidate { rule, misses: vec![Miss::Selection { pod, meant }] })
    })
}
