//! The parts that are known of a policy that can't be read as a whole: which pods it may select, and in which
//! directions.

use flow_model::object_ref::ObjectRef;
use flow_model::policies::{BrokenPolicy, Operator, PodsPeer, Requirement, Selector, Tier};
use serde_json::Value;

use crate::kinds::Kind;
use crate::policy::dialect::Dialect;
use crate::policy::field::{Field, OBJECT, Record};
use crate::policy::{namespaced, selector, tiered};
use crate::values::NAME_LABEL;

/// Returns what is known of a policy. Where nothing is known, it may concern every pod in both directions.
pub(super) fn policy(kind: Kind, key: &ObjectRef, object: &Value, why: &str) -> BrokenPolicy {
    let dialect = Dialect::of(kind);
    // The fields of another version, or of an object that isn't one, may mean anything.
    let known = kind.check_version(object).is_ok();
    let spec = known.then(|| spec(object)).flatten();
    let (ingress, egress) = spec.as_ref().map_or((true, true), |spec| directions(dialect, spec));
    BrokenPolicy {
        kind: kind.into(),
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        why: why.into(),
        selector: spec.as_ref().and_then(|spec| subject(dialect, key, spec)),
        ingress,
        egress,
        tier: dialect.map(|dialect| tier(dialect, spec.as_ref())),
    }
}

/// Returns `spec`; `None` where a misplaced field may stand for it, or for one of its fields.
fn spec(object: &Value) -> Option<Record<'_>> {
    let object = Field::root(object).record(&OBJECT).ok()?;
    object.get("spec")?.any_record().ok()
}

fn directions(dialect: Option<&Dialect>, spec: &Record<'_>) -> (bool, bool) {
    let may_act = |section: &str| spec.list(section).map_or(true, |rules| !rules.is_empty());
    match dialect {
        None => {
            let typed = spec.list("policyTypes").is_ok_and(|types| !types.is_empty());
            let known = typed || namespaced::is_known(spec);
            namespaced::directions(spec).ok().filter(|_| known).unwrap_or((true, true))
        }
        Some(dialect) if tiered::is_known(dialect, spec) => (may_act("ingress"), may_act("egress")),
        Some(_) => (true, true),
    }
}

fn subject(dialect: Option<&Dialect>, key: &ObjectRef, spec: &Record<'_>) -> Option<PodsPeer> {
    if dialect.is_some() {
        return tiered::subject(&spec.need("subject").ok()?).ok();
    }
    let pods = selector::or_everything(spec.get("podSelector")).ok()?;
    let operator = Operator::In(vec![key.namespace.clone()]);
    let namespaces = Selector { requirements: vec![Requirement { key: NAME_LABEL, operator }] };
    Some(PodsPeer { namespaces, pods: Some(pods) })
}

fn tier(dialect: &Dialect, spec: Option<&Record<'_>>) -> Tier {
    let nothing = Record::empty("spec");
    tiered::tier(dialect, spec.unwrap_or(&nothing)).unwrap_or(Tier::Admin)
}
