//! The answer for a flow that may be several connections: what holds for all of them, else unknown.

use flow_identity::{Passage, Possible};
use flow_model::decision::Decision;

use crate::Compiled;

impl Compiled {
    /// Decides on a flow; `None` when the connections that it may be are judged differently, or when there is none.
    #[must_use]
    pub fn agreed(&self, possible: &Possible<'_>) -> Option<Decision> {
        let decide = |Passage { leaving, arriving }| self.rule_between(&leaving, &arriving).decision();
        agreed(possible.passages().map(decide))
    }
}

/// Returns the decision that all have; `None` when there is none, or when they differ. It stops at the first that
/// differs.
#[must_use]
pub(crate) fn agreed(decisions: impl IntoIterator<Item = Decision>) -> Option<Decision> {
    let mut all = decisions.into_iter();
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// Explains why a flow has no verdict: it may be several connections that are judged differently, or it has none to judge.
#[must_use]
pub fn why_unknown(possible: &Possible<'_>) -> String {
    if let Some(why) = possible.beyond() {
        return format!("not known: {why}");
    }
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
