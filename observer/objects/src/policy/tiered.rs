//! The tiers of `policy.networking.k8s.io`.

use arcstr::ArcStr;
use flow_model::policies::{Action, Origin, PodsPeer, Tier, TierPeer, TierPolicy, TierRule};

use crate::policy::field::{Field, Record, Result, shown};
use crate::policy::tier_peers::{self, Side};
use crate::policy::{selector, tier_ports};
use flow_model::object_ref::ObjectRef;

/// What differs between the kinds.
pub(super) struct Dialect {
    /// Fields of `spec`.
    spec: &'static [&'static str],
    /// Of a rule, what matches ports.
    ports: &'static str,
    /// The action that admits.
    accept: &'static str,
    pass: bool,
    /// `to` may have `domainNames`.
    pub(super) domains: bool,
    /// Rules in a section, and peers or ports in a rule.
    rules: usize,
    items: usize,
}

const CLUSTER: Dialect = Dialect {
    spec: &["tier", "priority", "subject", "ingress", "egress"],
    ports: "protocols",
    accept: "Accept",
    pass: true,
    domains: true,
    rules: 25,
    items: 25,
};

const ADMIN: Dialect = Dialect {
    spec: &["priority", "subject", "ingress", "egress"],
    ports: "ports",
    accept: "Allow",
    pass: true,
    domains: true,
    rules: 100,
    items: 100,
};

const BASELINE: Dialect =
    Dialect { spec: &["subject", "ingress", "egress"], pass: false, domains: false, ..ADMIN };

/// Networks or domain names in one peer.
pub(super) const MAX_NAMES: usize = 25;

pub(super) fn dialect(kind: &str) -> &'static Dialect {
    match kind {
        "AdminNetworkPolicy" => &ADMIN,
        "BaselineAdminNetworkPolicy" => &BASELINE,
        _ => &CLUSTER,
    }
}

pub(super) fn read(kind: &str, key: &ObjectRef, object: &Record<'_>, origin: Origin) -> Result<TierPolicy> {
    let dialect = dialect(kind);
    let spec = object.need("spec")?.record(dialect.spec)?;
    if kind == "BaselineAdminNetworkPolicy" && key.name != "default" {
        return Err(format!("metadata.name: must be `default`, not {}", shown(&key.name)));
    }
    Ok(TierPolicy {
        kind: kind.parse().map_err(|_| format!("kind: {} is no tiered policy", shown(kind)))?,
        name: key.name.clone(),
        tier: tier(kind, &spec)?,
        priority: priority(dialect, &spec)?,
        subject: subject(&spec.need("subject")?)?,
        ingress: rules(dialect, &spec, Side::Ingress)?,
        egress: rules(dialect, &spec, Side::Egress)?,
        origin,
    })
}

pub(super) fn tier(kind: &str, spec: &Record<'_>) -> Result<Tier> {
    match kind {
        "AdminNetworkPolicy" => return Ok(Tier::Admin),
        "BaselineAdminNetworkPolicy" => return Ok(Tier::Baseline),
        _ => {}
    }
    let field = spec.need("tier")?;
    match field.text()? {
        "Admin" => Ok(Tier::Admin),
        "Baseline" => Ok(Tier::Baseline),
        other => Err(field.wrong(format_args!("{} is not one of Admin, Baseline", shown(other)))),
    }
}

pub(super) fn subject(field: &Field<'_>) -> Result<PodsPeer> {
    let subject = field.record(&["namespaces", "pods"])?;
    match (subject.get("namespaces"), subject.get("pods")) {
        (Some(namespaces), None) => Ok(PodsPeer { namespaces: selector::read(&namespaces)?, pods: None }),
        (None, Some(pods)) => selector::namespaced_pod(&pods),
        _ => Err(field.wrong("needs exactly one of namespaces, pods")),
    }
}

/// Whether all fields of `spec` are known; one that is not may act in any direction.
pub(super) fn is_known(kind: &str, spec: &Record<'_>) -> bool {
    spec.unknown(dialect(kind).spec).is_none()
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
    bounded(&section, dialect.rules)?.iter().map(|field| rule(dialect, field, side)).collect()
}

fn rule(dialect: &Dialect, field: &Field<'_>, side: Side) -> Result<TierRule> {
    let rule = field.record(&["name", "action", side.peers(), dialect.ports])?;
    let name = rule.get("name").map(|name| name.text()).transpose()?;
    let action = action(dialect, &rule.need("action")?)?;
    let list = rule.need(side.peers())?;
    let mut peers = Vec::new();
    for field in bounded(&list, dialect.items)? {
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
        Some(list) => tier_ports::read(dialect.ports, &list, &bounded(&list, dialect.items)?)?,
        None => None,
    };
    Ok(TierRule { name: name.filter(|n| !n.is_empty()).map(ArcStr::from), action, peers, ports })
}

fn action(dialect: &Dialect, field: &Field<'_>) -> Result<Action> {
    match field.text()? {
        word if word == dialect.accept => Ok(Action::Accept),
        "Deny" => Ok(Action::Deny),
        "Pass" if dialect.pass => Ok(Action::Pass),
        other => {
            let pass = if dialect.pass { ", Pass" } else { "" };
            Err(field.wrong(format_args!("{} is not one of {}, Deny{pass}", shown(other), dialect.accept)))
        }
    }
}

/// The items of a list that the API keeps short.
pub(super) fn bounded<'a>(field: &Field<'a>, most: usize) -> Result<Vec<Field<'a>>> {
    let items = field.list()?;
    match items.len() > most {
        true => Err(field.wrong(format_args!("has {} items; {most} are allowed", items.len()))),
        false => Ok(items),
    }
}
