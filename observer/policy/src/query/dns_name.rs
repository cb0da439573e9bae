//! DNS names of the cluster: Services, the pods behind them, and addresses with dashes.

use std::net::IpAddr;

use arcstr::ArcStr;

/// The usual domain of a cluster.
const DOMAIN: &str = "cluster.local";

/// What a DNS name may stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Service {
        namespace: ArcStr,
        name: ArcStr,
    },
    /// A pod behind a Service, by its name or by its address with dashes.
    PodBehind {
        namespace: ArcStr,
        service: ArcStr,
        host: ArcStr,
    },
    Address(IpAddr),
}

/// Lists what a name may stand for, in the order in which a pod of the namespace would look it up. The last part of a
/// complete name is the cluster's domain, which nothing here tells.
pub(super) fn meanings(name: &str, own: Option<&str>) -> Vec<Meaning> {
    let labels: Vec<_> = name.split('.').collect();
    for (at, kind) in labels.iter().enumerate().filter(|(at, _)| *at >= 2) {
        let found = match *kind {
            "svc" => within(&labels[..at]),
            "pod" if at == 2 => address(labels[0]).map(Meaning::Address),
            _ => None,
        };
        if let Some(found) = found {
            return vec![found];
        }
    }
    let mut found = Vec::new();
    if let Some(own) = own {
        let mut with_own = labels.clone();
        with_own.push(own);
        found.extend(within(&with_own));
    }
    found.extend(within(&labels));
    found
}

/// Is true for a name in the usual domain of a cluster.
pub(super) fn is_in_domain(name: &str) -> bool {
    name.strip_suffix(DOMAIN).is_some_and(|name| name.ends_with('.'))
}

/// Returns the domain after `svc` or `pod` where it is not the usual one.
pub(super) fn other_domain(name: &str) -> Option<&str> {
    let after = |kind: &str| name.split_once(kind).map(|(_, domain)| domain);
    after(".svc.").or_else(|| after(".pod.")).filter(|domain| !domain.is_empty() && *domain != DOMAIN)
}

/// Reads `service.namespace`, `host.service.namespace` or the name of an SRV record.
fn within(labels: &[&str]) -> Option<Meaning> {
    match labels {
        [name, namespace] => Some(Meaning::Service { namespace: (*namespace).into(), name: (*name).into() }),
        [port, protocol, name, namespace] if port.starts_with('_') && protocol.starts_with('_') => {
            Some(Meaning::Service { namespace: (*namespace).into(), name: (*name).into() })
        }
        [host, service, namespace] => Some(Meaning::PodBehind {
            namespace: (*namespace).into(),
            service: (*service).into(),
            host: (*host).into(),
        }),
        _ => None,
    }
}

/// Reads an address with dashes in place of its dots or colons.
pub(super) fn address(label: &str) -> Option<IpAddr> {
    label.replace('-', ".").parse().ok().or_else(|| label.replace('-', ":").parse().ok())
}

#[cfg(test)]
mod tests;
