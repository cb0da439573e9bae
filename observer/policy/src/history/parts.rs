//! The parts of a change, each of which can be undone alone.

use std::sync::Arc;

use flow_model::inventory::{Labels, Namespace, Pod};
use flow_model::policies::{Direction, NetworkPolicy, Rule, TierPolicy, TierRule};

use crate::history::change::{ObjectChange, changed_labels};
use crate::history::describe;
use crate::history::versions::Versions;
use crate::readings;

const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// Holds part of a change, and the change that it would be alone.
pub(super) struct Part {
    pub(super) text: String,
    pub(super) alone: ObjectChange,
}

impl Part {
    fn policy(text: String, after: &Arc<NetworkPolicy>, patch: impl FnOnce(&mut NetworkPolicy)) -> Self {
        let mut before = NetworkPolicy::clone(after);
        patch(&mut before);
        let edit = Versions { before: Some(Arc::new(before)), after: Some(Arc::clone(after)) };
        Self { text, alone: ObjectChange::Policy(edit) }
    }

    fn tiered(text: String, after: &Arc<TierPolicy>, patch: impl FnOnce(&mut TierPolicy)) -> Self {
        let mut before = TierPolicy::clone(after);
        patch(&mut before);
        let edit = Versions { before: Some(Arc::new(before)), after: Some(Arc::clone(after)) };
        Self { text, alone: ObjectChange::Tiered(edit) }
    }
}

/// Returns what a NetworkPolicy no longer admits.
pub(super) fn of_policy(before: &NetworkPolicy, after: &Arc<NetworkPolicy>) -> Vec<Part> {
    let mut parts = Vec::new();
    if before.selector != after.selector {
        let (was, is) = (describe::pods(&before.selector), describe::pods(&after.selector));
        let text = format!("its podSelector was {was} and is {is}");
        parts.push(Part::policy(text, after, |policy| policy.selector = before.selector.clone()));
    }
    for direction in DIRECTIONS {
        match (readings::rules(before, direction), readings::rules(after, direction)) {
            (None, Some(_)) => {
                let text = format!("it isolates {} now", direction.as_str());
                parts.push(Part::policy(text, after, |policy| *rules_mut(policy, direction) = None));
            }
            (Some(old), Some(new)) => parts.extend(lost(old, new, direction).map(|(rule, text)| {
                let rules = |policy: &mut NetworkPolicy| {
                    rules_mut(policy, direction).get_or_insert_default().push(rule.clone());
                };
                Part::policy(text, after, rules)
            })),
            (_, None) => {}
        }
    }
    parts
}

/// Returns the rules of a NetworkPolicy that was deleted.
pub(super) fn of_deleted(policy: &Arc<NetworkPolicy>) -> Vec<Part> {
    let mut parts = Vec::new();
    for direction in DIRECTIONS {
        for (i, rule) in readings::rules(policy, direction).into_iter().flatten().enumerate() {
            let (direction_name, names) = (direction.as_str(), describe::rule(rule, direction));
            let text = format!("its {direction_name}[{i}] ({names}) went with it");
            let only = |policy: &mut NetworkPolicy| *rules_mut(policy, direction) = Some(vec![rule.clone()]);
            parts.push(Part::policy(text, policy, only));
        }
    }
    parts
}

/// Returns the rules that were removed or changed, with a description of what they no longer admit. A rule is compared
/// with the new one at its place, if there is one.
fn lost<'a>(
    old: &'a [Rule],
    new: &'a [Rule],
    direction: Direction,
) -> impl Iterator<Item = (&'a Rule, String)> {
    let gone = old.iter().enumerate().filter(|(_, rule)| !new.contains(rule));
    gone.filter_map(move |(i, rule)| {
        let rest = new.get(i).filter(|rule| !old.contains(rule));
        let name = format!("{}[{i}]", direction.as_str());
        let text = match rest {
            None => format!("{name} ({}) was removed", describe::rule(rule, direction)),
            Some(rest) => narrowed(&name, rule, rest, direction)?,
        };
        Some((rule, text))
    })
}

/// Describes what a rule no longer admits, or returns `None` where it only admits more.
fn narrowed(name: &str, old: &Rule, new: &Rule, direction: Direction) -> Option<String> {
    let peers = |rule: &Rule, other: &Rule| -> Vec<String> {
        rule.peers.iter().filter(|peer| !other.peers.contains(peer)).map(describe::peer).collect()
    };
    let mut gone = if new.peers.is_empty() { Vec::new() } else { peers(old, new) };
    let mut come = peers(new, old);
    if old.peers.is_empty() && !new.peers.is_empty() {
        gone.push(describe::any(direction).to_owned());
    }
    if !new.ports.is_empty() {
        gone.extend(old.ports.iter().filter(|port| !new.ports.contains(port)).map(describe::port));
        come.extend(new.ports.iter().filter(|port| !old.ports.contains(port)).map(describe::port));
        if old.ports.is_empty() {
            gone.push("every port".to_owned());
        }
    }
    let admits = match direction {
        Direction::Ingress => "admits",
        Direction::Egress => "allows",
    };
    match (gone.is_empty(), come.is_empty()) {
        (true, _) => None,
        (false, true) => Some(format!("{name} no longer {admits} {}", describe::listed(gone))),
        (false, false) => {
            let (gone, come) = (describe::listed(gone), describe::listed(come));
            Some(format!("{name} no longer {admits} {gone}, but {come}"))
        }
    }
}

fn rules_mut(policy: &mut NetworkPolicy, direction: Direction) -> &mut Option<Vec<Rule>> {
    match direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    }
}

/// Returns what changed in a tiered policy.
pub(super) fn of_tiered(before: &TierPolicy, after: &Arc<TierPolicy>) -> Vec<Part> {
    let mut parts = Vec::new();
    if (before.tier, before.priority) != (after.tier, after.priority) {
        let text = format!("its priority was {} and is {}", before.priority, after.priority);
        parts.push(Part::tiered(text, after, |policy| {
            (policy.tier, policy.priority) = (before.tier, before.priority);
        }));
    }
    if before.subject != after.subject {
        let text = "its subject changed".to_owned();
        parts.push(Part::tiered(text, after, |policy| policy.subject = before.subject.clone()));
    }
    for direction in DIRECTIONS {
        parts.extend(of_tier_rules(before, after, direction));
    }
    parts
}

fn of_tier_rules(before: &TierPolicy, after: &Arc<TierPolicy>, direction: Direction) -> Vec<Part> {
    let name = direction.as_str();
    let (old, new) = (readings::tier_rules(before, direction), readings::tier_rules(after, direction));
    let added = new.iter().enumerate().filter(|(_, rule)| !old.contains(rule)).map(|(i, rule)| {
        let text = format!("{name}[{i}] ({}) was added", describe::tier_rule(rule));
        Part::tiered(text, after, |policy| drop(tier_rules_mut(policy, direction).remove(i)))
    });
    let gone = old.iter().enumerate().filter(|(_, rule)| !new.contains(rule)).map(|(i, rule)| {
        let text = format!("{name}[{i}] ({}) was removed", describe::tier_rule(rule));
        Part::tiered(text, after, |policy| {
            let rules = tier_rules_mut(policy, direction);
            rules.insert(i.min(rules.len()), rule.clone());
        })
    });
    added.chain(gone).collect()
}

fn tier_rules_mut(policy: &mut TierPolicy, direction: Direction) -> &mut Vec<TierRule> {
    match direction {
        Direction::Ingress => &mut policy.ingress,
        Direction::Egress => &mut policy.egress,
    }
}

/// Returns the labels that a namespace lost, got or changed.
pub(super) fn of_namespace(before: &Arc<Namespace>, after: &Arc<Namespace>) -> Vec<Part> {
    let what = format!("namespace {}", after.name);
    let alone = |labels| {
        ObjectChange::Namespace(Arc::new(Namespace { labels, ..Namespace::clone(after) }), Arc::clone(after))
    };
    of_labels(&what, &before.labels, &after.labels, alone)
}

/// Returns the labels that a pod lost, got or changed.
pub(super) fn of_pod(before: &Arc<Pod>, after: &Arc<Pod>) -> Vec<Part> {
    let what = format!("pod {}/{}", after.namespace, after.name);
    let alone = |labels| ObjectChange::Pod(Arc::new(Pod { labels, ..Pod::clone(after) }), Arc::clone(after));
    of_labels(&what, &before.labels, &after.labels, alone)
}

fn of_labels(
    what: &str,
    before: &Labels,
    after: &Labels,
    alone: impl Fn(Labels) -> ObjectChange,
) -> Vec<Part> {
    let mut parts = Vec::new();
    for key in changed_labels(before, after) {
        let mut labels = after.clone();
        let text = match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => format!("label {key} of {what} changed from {old} to {new}"),
            (Some(old), None) => format!("{what} lost label {key}={old}"),
            (None, new) => format!("{what} got label {key}={}", new.map_or("", |value| value)),
        };
        match before.get(key) {
            Some(old) => drop(labels.insert(key.clone(), old.clone())),
            None => drop(labels.remove(key)),
        }
        parts.push(Part { text, alone: alone(labels) });
    }
    parts
}
