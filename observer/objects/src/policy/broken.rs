//! What can still be said of a policy that can't be read whole: whom and what it may concern.

use flow_model::policies::{BrokenPolicy, Operator, PodsPeer, Requirement, Selector, Tier};
use serde_json::Value;

use crate::convert::NAME_LABEL;
use crate::policy::field::{Field, Record};
use crate::policy::{OBJECT, namespaced, selector, tiered, version};
use flow_model::object_ref::ObjectRef;

pub(super) fn policy(kind: &str, key: &ObjectRef, object: &Value, why: &str) -> BrokenPolicy {
    // The words of another version, or of an object that isn't one, may mean anything.
    let known = version(kind, object).is_ok();
    let spec = known.then(|| spec(object)).flatten();
    let (ingress, egress) = spec.as_ref().map_or((true, true), |spec| directions(kind, spec));
    BrokenPolicy {
        kind: kind.into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        why: why.into(),
        selector: spec.as_ref().and_then(|spec| subject(kind, key, spec)),
        ingress,
        egress,
        tier: (kind != "NetworkPolicy").then(|| tier(kind, spec.as_ref())),
    }
}

/// `None` where a misplaced field may stand for `spec`, or for one of its fields.
fn spec(object: &Value) -> Option<Record<'_>> {
    let object = Field::root(object).record(&OBJECT).ok()?;
    object.get("spec")?.any_record().ok()
}

fn directions(kind: &str, spec: &Record<'_>) -> (bool, bool) {
    let may_act = |section: &str| spec.list(section).map_or(true, |rules| !rules.is_empty());
    match kind {
        "NetworkPolicy" => {
            let typed = spec.list("policyTypes").is_ok_and(|types| !types.is_empty());
            let known = typed || namespaced::is_known(spec);
            namespaced::directions(spec).ok().filter(|_| known).unwrap_or((true, true))
        }
        _ if tiered::is_known(kind, spec) => (may_act("ingress"), may_act("egress")),
        _ => (true, true),
    }
}

fn subject(kind: &str, key: &ObjectRef, spec: &Record<'_>) -> Option<PodsPeer> {
    if kind != "NetworkPolicy" {
        return tiered::subject(&spec.need("subject").ok()?).ok();
    }
    let pods = selector::or_everything(spec.get("podSelector")).ok()?;
    let operator = Operator::In(vec![key.namespace.clone()]);
    let namespaces = Selector { requirements: vec![Requirement { key: NAME_LABEL, operator }] };
    Some(PodsPeer { namespaces, pods: Some(pods) })
}

fn tier(kind: &str, spec: Option<&Record<'_>>) -> Tier {
    let nothing = Record::empty("spec");
    tiered::tier(kind, spec.unwrap_or(&nothing)).unwrap_or(Tier::Admin)
}
