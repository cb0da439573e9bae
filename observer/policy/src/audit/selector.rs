//! Label selectors: what they imply and exclude.

use arcstr::ArcStr;
use flow_model::inventory::Labels;
use flow_model::policies::{Operator, Requirement, Selector};

pub(super) use flow_model::selector::METADATA_NAME as NAME;

/// Indicates whether the labels satisfy a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    Yes,
    No,
    /// Some of the labels aren't known.
    Perhaps,
}

/// Matches a selector against a namespace, of which perhaps only the name is known.
pub(super) fn matches_namespace(selector: &Selector, labels: &Labels, all_known: bool) -> Matches {
    let mut answer = Matches::Yes;
    for requirement in &selector.requirements {
        match requirement.admits(labels.get(&requirement.key)) {
            _ if !all_known && requirement.key != NAME => answer = Matches::Perhaps,
            true => {}
            false => return Matches::No,
        }
    }
    answer
}

/// Is true when `broad` matches everything that `narrow` matches. It is false where the selectors alone don't decide it.
pub(super) fn covers(broad: &Selector, narrow: &Selector) -> bool {
    broad.requirements.iter().all(|b| narrow.requirements.iter().any(|n| n.key == b.key && implies(n, b)))
}

fn implies(narrow: &Requirement, broad: &Requirement) -> bool {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    let within = |a: &[ArcStr], b: &[ArcStr]| a.iter().all(|v| b.contains(v));
    match (&narrow.operator, &broad.operator) {
        (In(n), In(b)) => within(n, b),
        (NotIn(n), NotIn(b)) => within(b, n),
        (In(n), NotIn(b)) => !n.iter().any(|v| b.contains(v)),
        (In(_) | Exists, Exists) | (DoesNotExist, DoesNotExist | NotIn(_)) => true,
        _ => false,
    }
}

/// Returns two requirements that nothing satisfies together.
pub(super) fn contradiction(selector: &Selector) -> Option<(&Requirement, &Requirement)> {
    let all = &selector.requirements;
    let pairs = all.iter().enumerate().flat_map(|(i, a)| all[i + 1..].iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| a.key == b.key).find(|(a, b)| exclude(a, b) || exclude(b, a))
}

fn exclude(a: &Requirement, b: &Requirement) -> bool {
    use Operator::{DoesNotExist, Exists, In, NotIn};
    match (&a.operator, &b.operator) {
        (In(a), In(b)) => !a.iter().any(|v| b.contains(v)),
        (In(a), NotIn(b)) => a.iter().all(|v| b.contains(v)),
        (In(_) | Exists, DoesNotExist) => true,
        _ => false,
    }
}

/// Makes labels that satisfy the selector, as far as it names any.
pub(super) fn example(selector: &Selector) -> Labels {
    let pairs = selector.requirements.iter().filter_map(|r| match &r.operator {
        Operator::In(values) => Some((r.key.clone(), values.first()?.clone())),
        Operator::Exists => Some((r.key.clone(), ArcStr::new())),
        Operator::NotIn(_) | Operator::DoesNotExist => None,
    });
    pairs.collect()
}
