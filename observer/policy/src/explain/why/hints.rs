//! What people often get wrong in a rule that almost matches.

use arcstr::ArcStr;
use flow_model::policies::{Operator, Requirement, Selector};
use flow_model::selector::METADATA_NAME;

use crate::explain::miss::{Miss, PodSelectors};
use crate::explain::nearest::Candidate;
use crate::plain::Plain;
use crate::readings::zero_network;

/// Returns a hint on what the author may have meant.
pub(super) fn of(plain: &Plain, candidate: &Candidate<'_>, miss: &Miss<'_>) -> Option<String> {
    match miss {
        Miss::Block { cidr, .. } => zero_network(cidr),
        Miss::Namespace { peer: PodSelectors { namespaces: Some(selector), .. }, pod } => {
            label_of_namespaces(plain, selector, &pod.namespace)
        }
        Miss::Namespace { peer: PodSelectors { namespaces: None, pods: Some(selector) }, pod }
            if selector.matches(&pod.labels) =>
        {
            Some(
                "a podSelector without a namespaceSelector means pods of the policy's own namespace"
                    .to_owned(),
            )
        }
        Miss::Pods { peer: PodSelectors { namespaces: None, .. }, selector, .. } => {
            let own = &candidate.rule.policy.namespace;
            let here = plain.any_pod(|namespace| namespace == own, selector);
            let elsewhere = plain.any_pod(|namespace| namespace != own, selector);
            (!here && elsewhere).then(|| {
                format!("pods with {selector} are in other namespaces only, which need a namespaceSelector")
            })
        }
        Miss::Selection { .. }
        | Miss::Port(_)
        | Miss::Names(_)
        | Miss::Excepted(_)
        | Miss::Pods { .. }
        | Miss::Namespace { .. }
        | Miss::NoPod => None,
    }
}

/// Names the label that every namespace has, where a selector wants the name under another key.
fn label_of_namespaces(plain: &Plain, selector: &Selector, namespace: &ArcStr) -> Option<String> {
    let labels = plain.namespace_labels(namespace)?;
    let by_name = |requirement: &&Requirement| match &requirement.operator {
        Operator::In(values) => requirement.key != METADATA_NAME && values.contains(namespace),
        Operator::NotIn(_) | Operator::Exists | Operator::DoesNotExist => false,
    };
    let Requirement { key, .. } = selector.requirements.iter().find(by_name)?;
    (labels.get(key) != Some(namespace)).then(|| {
        format!("namespace {namespace} has no label {key}={namespace}, but {METADATA_NAME}={namespace}, as every namespace has")
    })
}
