//! `pod-selector-matches-nothing`.

use flow_model::policies::NetworkPolicy;

use crate::audit::draft::{Draft, Drafts};
use crate::audit::report::RuleId;
use crate::audit::selector::contradiction;
use crate::audit::suggest;
use crate::audit::view::View;

const RULE: RuleId = RuleId::PodSelectorMatchesNothing;

pub(super) fn check(view: &View<'_>, out: &mut Drafts) {
    for proposed in view.proposed() {
        let policy = &*proposed.object;
        match problem(view, policy) {
            Ok(()) => {}
            Err(Problem::NoFacts) => {
                out.not_run(RULE, format!("no pod of namespace {} is known", policy.namespace));
            }
            Err(Problem::Found(message)) => out.push(Draft::policy(RULE, policy, &proposed.place, message)),
        }
    }
}

enum Problem {
    NoFacts,
    Found(String),
}

fn problem(view: &View<'_>, policy: &NetworkPolicy) -> Result<(), Problem> {
    let NetworkPolicy { selector, namespace, .. } = policy;
    if let Some((a, b)) = contradiction(selector) {
        let message = format!("podSelector asks for {a} and {b}, which no pod can have");
        return Err(Problem::Found(message));
    }
    if selector.requirements.is_empty() || view.selected(policy).next().is_some() {
        return Ok(());
    }
    let mut of_node = view.after.pods.iter().filter(|p| p.host_network && p.namespace == *namespace);
    if of_node.any(|pod| selector.matches(&pod.labels)) {
        let message = format!(
            "podSelector {selector} matches only pods in their node's network, which policies pass over"
        );
        return Err(Problem::Found(message));
    }
    if !view.knows_pods_of(namespace) {
        return Err(Problem::NoFacts);
    }
    let near = suggest::labels(selector, view.groups(namespace).iter().map(|g| &g.pod.labels));
    let near: Vec<_> = near.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let question = suggest::question(&near);
    let message = format!("podSelector {selector} matches no pod of namespace {namespace}{question}");
    Err(Problem::Found(message))
}
