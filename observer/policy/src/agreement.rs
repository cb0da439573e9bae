//! The answer for a flow that may be several connections: what holds for all of them, else unknown.

use flow_identity::Possible;
use flow_model::decision::Decision;

/// Returns the decision that all have; `None` when there is none, or when they differ. It stops at the first that
/// differs.
#[must_use]
pub fn agreed(decisions: impl IntoIterator<Item = Decision>) -> Option<Decision> {
    let mut all = decisions.into_iter();
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// Explains why a flow has no verdict: it may be several connections that are judged differently, or it has none to judge.
#[must_use]
pub fn why_unknown(possible: &Possible<'_>) -> String {
    let Some(behind) = possible.behind() else { return "not known".to_owned() };
    let service = behind.service().object_ref();
    if behind.ends().next().is_none() {
        format!("not known: Service {service} has no backend")
    } else if possible.may_be_masqueraded() {
        format!(
            "not known: behind Service {service} the client may have its own address or a node's, and the policies \
             tell them apart"
        )
    } else {
        format!("not known: the backends of Service {service} are judged differently")
    }
}
