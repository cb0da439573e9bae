//! The namespaces and Services that a workload is declared to use.

use arcstr::ArcStr;

/// The part of a text that is read, in bytes. Longer texts hold data rather than addresses.
const LONGEST: usize = 4096;

/// Names a Service, or a whole namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Use {
    pub(super) namespace: ArcStr,
    pub(super) service: Option<ArcStr>,
    /// The port of the Service; without a Service, of the pods.
    pub(super) port: Option<u16>,
}

impl std::fmt::Display for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.service {
            Some(service) => write!(f, "{}/{service}", self.namespace)?,
            None => write!(f, "namespace {}", self.namespace)?,
        }
        match (self.port, &self.service) {
            (Some(port), Some(_)) => write!(f, ":{port}"),
            (Some(port), None) => write!(f, " on port {port}"),
            (None, _) => Ok(()),
        }
    }
}

/// Reads `flow-observer.io/uses`: `postgres, redis/cache:6379`. Entries that can't be read are returned as errors.
pub(super) fn declared(annotation: &str) -> impl Iterator<Item = Result<Use, &str>> {
    let entries = annotation.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    entries.map(|entry| parse(entry).ok_or(entry))
}

fn parse(entry: &str) -> Option<Use> {
    let (target, port) = match entry.rsplit_once(':') {
        Some((target, port)) => (target, Some(port.parse::<u16>().ok().filter(|port| *port != 0)?)),
        None => (entry, None),
    };
    let (namespace, service) = match target.split_once('/') {
        Some((namespace, service)) => (namespace, Some(service)),
        None => (target, None),
    };
    let name = |name: &str| is_name(name).then(|| ArcStr::from(name));
    Some(Use {
        namespace: name(namespace)?,
        service: service.map_or(Some(None), |s| name(s).map(Some))?,
        port,
    })
}

/// Finds names like `cache.redis.svc` or `cache.redis.svc.cluster.local:6379` in a text.
pub(super) fn inferred(text: &str) -> impl Iterator<Item = Use> {
    let text = text.get(..LONGEST).unwrap_or(text);
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    text.split(move |c| !part(c)).filter_map(host)
}

fn host(word: &str) -> Option<Use> {
    let (host, port) = word.split_once(':').unwrap_or((word, ""));
    let labels: Vec<_> = host.trim_end_matches('.').split('.').collect();
    let svc = labels.iter().position(|label| *label == "svc").filter(|at| *at >= 2)?;
    let (service, namespace) = (labels[svc - 2], labels[svc - 1]);
    if !is_name(service) || !is_name(namespace) {
        return None;
    }
    let port = port.split(':').next().and_then(|port| port.parse().ok()).filter(|port| *port != 0);
    Some(Use { namespace: namespace.into(), service: Some(service.into()), port })
}

fn is_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len())
        && name.chars().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests;
