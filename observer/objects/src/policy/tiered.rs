//! Tiered policies of `policy.networking.k8s.io`.

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use flow_model::policies::{Action, Origin, PodsPeer, Tier, TierPeer, TierPolicy, TierRule};

use crate::policy::dialect::Dialect;
use crate::policy::field::{Field, Record, Result};
use crate::policy::tier_peers::{self, Side};
use crate::policy::{selector, tier_ports};
use crate::text::shown;

/// Reads a tiered policy.
pub(super) fn read(
    dialect: &Dialect,
    key: &ObjectRef,
    object: &Record<'_>,
    origin: Origin,
) -> Result<TierPolicy> {
    let spec = object.need("spec")?.record(dialect.spec)?;
    if let Some(only) = dialect.name.filter(|only| key.name != *only) {
        return Err(format!("metadata.name: must be `{only}`, not {}", shown(&key.name)));
    }
    Ok(TierPolicy {
        kind: dialect.kind,
        name: key.name.clone(),
        tier: tier(dialect, &spec)?,
        priority: priority(dialect, &spec)?,
        subject: subject(&spec.need("subject")?)?,
        ingress: rules(dialect, &spec, Side::Ingress)?,
        egress: rules(dialect, &spec, Side::Egress)?,
        origin,
    })
}

/// Returns the tier, which only some kinds name in each policy.
pub(super) fn tier(dialect: &Dialect, spec: &Record<'_>) -> Result<Tier> {
    if let Some(tier) = dialect.tier {
        return Ok(tier);
    }
    let field = spec.need("tier")?;
    match field.text()? {
        "Admin" => Ok(Tier::Admin),
        "Baseline" => Ok(Tier::Baseline),
        other => Err(field.wrong(format_args!("{} is not one of Admin, Baseline", shown(other)))),
    }
}

/// Returns the pods that the policy selects.
pub(super) fn subject(field: &Field<'_>) -> Result<PodsPeer> {
    let subject = field.record(&["namespaces", "pods"])?;
    match (subject.get("namespaces"), subject.get("pods")) {
        (Some(namespaces), None) => Ok(PodsPeer { namespaces: selector::read(&namespaces)?, pods: None }),
        (None, Some(pods)) => selector::namespaced_pod(&pods),
        _ => Err(field.wrong("needs exactly one of namespaces, pods")),
    }
}

/// Is true when all fields of `spec` are known. A field that is not may act in any direction.
pub(super) fn is_known(dialect: &Dialect, spec: &Record<'_>) -> bool {
    spec.unknown(dialect.spec).is_none()
}

fn priority(dialect: &Dialect, spec: &Record<'_>) -> Result<i32> {
    if !dialect.spec.contains(&"priority") {
        return Ok(0);
    }
    let field = spec.need("priority")?;
    let number = field.integer()?;
    let priority = i32::try_from(number).ok().filter(|priority| (0..=1000).contains(priority));
    priority.ok_or_else(|| field.wrong(format_args!("{number} is not within 0 to 1000")))
}

fn rules(dialect: &Dialect, spec: &Record<'_>, side: Side) -> Result<Vec<TierRule>> {
    let Some(section) = spec.get(side.section()) else { return Ok(Vec::new()) };
    section.bounded(dialect.rules)?.iter().map(|field| rule(dialect, field, side)).collect()
}

fn rule(dialect: &Dialect, field: &Field<'_>, side: Side) -> Result<TierRule> {
    let rule = field.record(&["name", "action", side.peers(), dialect.ports])?;
    let name = rule.get("name").map(|name| name.text()).transpose()?;
    let action = action(dialect, &rule.need("action")?)?;
    let list = rule.need(side.peers())?;
    let mut peers = Vec::new();
    for field in list.bounded(dialect.items)? {
        let peer = tier_peers::read(dialect, &field, side)?;
        if matches!(peer, TierPeer::Domains(_)) && action != Action::Accept {
            return Err(field.wrong(format_args!("domainNames go with {} only", dialect.accept)));
        }
        peers.push(peer);
    }
    if peers.is_empty() {
        return Err(list.wrong("needs at least one peer"));
    }
    let ports = match rule.get(dialect.ports) {
        Some(list) => tier_ports::read(dialect.ports, &list, &list.bounded(dialect.items)?)?,
        None => None,
    };
    Ok(TierRule { name: name.filter(|n| !n.is_empty()).map(ArcStr::from), action, peers, ports })
}

fn action(dialect: &Dialect, field: &Field<'_>) -> Result<Action> {
    match field.text()? {
        action if action == dialect.accept => Ok(Action::Accept),
        "Deny" => Ok(Action::Deny),
        "Pass" if dialect.pass => Ok(Action::Pass),
        other => {
            let pass = if dialect.pass { ", Pass" } else { "" };
            Err(field.wrong(format_args!("{} is not one of {}, Deny{pass}", shown(other), dialect.accept)))
        }
    }
}
