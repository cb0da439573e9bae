//! A side of a question.

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::Who;
use flow_model::inventory::Pod;
use flow_model::policies::Protocol;

use crate::query::error::QueryError;
use crate::query::parse;
use crate::query::question::Port;
use crate::query::service;

/// Describes one side of the connections that a question stands for.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    /// `namespace/name`, `node NAME` or an address.
    pub(super) label: String,
    /// A remark on what else a reader should know about it.
    pub(super) remark: Option<String>,
    pub(super) who: Who<'a>,
    /// The pod, also one that policies treat as its node.
    pub(super) pod: Option<&'a Pod>,
    /// Its addresses; empty when they aren't known.
    pub(super) ips: Vec<IpAddr>,
}

impl<'a> Side<'a> {
    /// Describes a pod.
    pub(super) fn pod(pod: &'a Pod) -> Self {
        let (who, remark) = match (pod.host_network, &pod.node) {
            (true, Some(node)) => (Who::Node(node), Some(format!("in the network of node {node}"))),
            _ => (Who::Pod(pod), None),
        };
        let label = format!("{}/{}", pod.namespace, pod.name);
        let ips = pod.ips.iter().map(IpAddr::to_canonical).collect();
        Self { label, remark, who, pod: Some(pod), ips }
    }

    /// Describes a name outside the cluster.
    pub(super) fn outside(name: &str) -> Self {
        let remark = Some("outside the cluster".to_owned());
        Self { label: name.to_owned(), remark, who: Who::External, pod: None, ips: Vec::new() }
    }

    /// Returns the node that it is on.
    pub(super) fn node(&self) -> Option<&'a ArcStr> {
        match (self.pod, self.who) {
            (Some(pod), _) => pod.node.as_ref(),
            (None, Who::Node(node)) => Some(node),
            (None, _) => None,
        }
    }
}

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        self.remark.iter().try_for_each(|remark| write!(f, " ({remark})"))
    }
}

/// Describes several sides in a few words: the only one, or what they have in common and their number.
pub(super) fn label(of: &str, sides: &[Side<'_>]) -> String {
    match sides {
        [only] => only.to_string(),
        several => format!("{of} ({} pods)", several.len()),
    }
}

/// Finds the container port that the question means.
///
/// # Errors
/// Fails when the pod declares no such port, or several.
pub(super) fn container_port(
    pod: &Pod,
    asked: Option<&Port>,
    protocol: Option<Protocol>,
) -> Result<(u16, Protocol), QueryError> {
    let fits = |name: Option<&ArcStr>| match asked {
        Some(Port::Name(asked)) => name == Some(asked),
        _ => true,
    };
    let known = pod.ports.iter().filter_map(|port| {
        let own = parse::protocol(&port.protocol).ok()?;
        let wanted = fits(port.name.as_ref()) && protocol.is_none_or(|wanted| wanted == own);
        wanted.then_some((port.port, own))
    });
    let mut fitting: Vec<_> = known.collect();
    fitting.sort_unstable();
    fitting.dedup();
    let what = || format!("{}/{}", pod.namespace, pod.name);
    let has = || service::container_ports(&pod.ports);
    match (&*fitting, asked) {
        ([one], _) => Ok(*one),
        ([], Some(port)) => Err(QueryError::NotOfPod { pod: what(), port: port.to_string(), has: has() }),
        ([], None) => Err(QueryError::NoPort(what())),
        (_, _) => Err(QueryError::WhichPort { what: format!("pod {}", what()), has: has() }),
    }
}
