//! Which namespaces and Services a workload is declared to use.

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
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("postgres", "namespace postgres")]
    #[case("redis/cache:6379", "redis/cache:6379")]
    #[case("redis/cache", "redis/cache")]
    #[case("redis:6379", "namespace redis on port 6379")]
    fn entries(#[case] entry: &str, #[case] expected: &str) {
        let uses: Vec<_> = declared(entry).map(|entry| entry.map(|entry| entry.to_string())).collect();
        assert_eq!(uses, [Ok(expected.to_owned())]);
    }

    #[test]
    fn several_entries_and_some_that_are_none() {
        let uses: Vec<_> = declared(" postgres,redis/cache:6379 , Postgres, a:0 a:b a/b/c, -a").collect();
        let wrong: Vec<_> = uses.iter().filter_map(|entry| entry.as_ref().err().copied()).collect();
        assert_eq!(wrong, ["Postgres", "a:0", "a:b", "a/b/c", "-a"]);
        assert_eq!(uses.iter().filter(|entry| entry.is_ok()).count(), 2);
    }

    #[rstest]
    #[case("postgresql+asyncpg://u:p@rw.postgres.svc.cluster.local:5432/docs", Some("postgres/rw:5432"))]
    #[case("http://api.web.svc", Some("web/api"))]
    #[case("cache-0.cache.redis.svc:6379", Some("redis/cache:6379"))]
    #[case("--upstream=dns:///grpc.back.svc.cluster.local.:443", Some("back/grpc:443"))]
    #[case("svc", None)]
    #[case("a.svc", None)]
    #[case("example.org:443", None)]
    #[case("A.b.svc", None)]
    fn names_in_texts(#[case] text: &str, #[case] finds: Option<&str>) {
        let found: Vec<_> = inferred(text).map(|found| found.to_string()).collect();
        assert_eq!(found, finds.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn several_names_in_one_text() {
        let found: Vec<_> = inferred("a.x.svc:1,b.y.svc:2").map(|found| found.to_string()).collect();
        assert_eq!(found, ["x/a:1", "y/b:2"]);
    }
}
