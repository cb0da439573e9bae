//! Which connections a question stands for.

use std::fmt;
use std::net::IpAddr;

use arcstr::ArcStr;
use flow_model::connection::Who;
use flow_model::inventory::{Pod, Service, ServicePort};
use flow_model::object_ref::ObjectRef;
use flow_model::policies::Protocol;

use crate::query::service::{self, Group, Way};
use crate::query::{Explainer, Port, Query, QueryError, Target};

/// One side of the connections.
#[derive(Clone, Debug)]
pub(super) struct Side<'a> {
    /// `namespace/name`, `node NAME` or an address.
    pub(super) label: String,
    /// What else a reader should know of it.
    pub(super) remark: Option<String>,
    pub(super) who: Who<'a>,
    /// The pod, also one that policies take for its node.
    pub(super) pod: Option<&'a Pod>,
    /// Empty when they aren't known.
    pub(super) ips: Vec<IpAddr>,
}

/// Where a connection may end, after DNAT.
#[derive(Clone, Debug)]
pub(super) struct End<'a> {
    pub(super) side: Side<'a>,
    pub(super) port: u16,
    pub(super) protocol: Protocol,
}

/// All places where it may end.
#[derive(Clone, Debug)]
pub(super) struct Route<'a> {
    /// The Service on the way, its port, and whether nodes may masquerade.
    service: Option<(&'a Service, &'a ServicePort, Way)>,
    pub(super) ends: Vec<End<'a>>,
}

impl<'a> Route<'a> {
    fn direct(side: Side<'a>, port: u16, protocol: Protocol) -> Self {
        Self { service: None, ends: vec![End { side, port, protocol }] }
    }

    /// The only end there is, else the Service.
    pub(super) fn label(&self) -> String {
        match (&*self.ends, self.service) {
            ([end], _) => end.to_string(),
            (ends, Some((service, port, _))) => {
                let at = format!("{}:{}/{}", service.object_ref(), port.port, port.protocol);
                if ends.is_empty() { at } else { format!("{at} ({} backends)", ends.len()) }
            }
            (_, None) => String::new(),
        }
    }

    pub(super) fn service_label(&self) -> Option<String> {
        self.service.map(|(service, port, _)| format!("{}:{}", service.object_ref(), port.port))
    }

    /// The Service at which nodes may put their own address in place of the client's.
    pub(super) fn masquerading(&self) -> Option<ObjectRef> {
        let (service, _, way) = self.service?;
        way.may_masquerade(service).then(|| service.object_ref())
    }
}

impl fmt::Display for End<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { side: Side { label, remark, .. }, port, protocol } = self;
        match label.contains(':') {
            true => write!(f, "[{label}]")?,
            false => write!(f, "{label}")?,
        }
        write!(f, ":{port}/{}", protocol.as_str())?;
        remark.iter().try_for_each(|remark| write!(f, " ({remark})"))
    }
}

impl Explainer {
    /// Resolves the destination.
    pub(super) fn route(&self, query: &Query, notes: &mut Vec<String>) -> Result<Route<'_>, QueryError> {
        match &query.dst {
            Target::Ip(ip) => self.route_to_address(*ip, query),
            Target::Pod { namespace, name } => self.route_to_pod(self.named_pod(namespace, name)?, query),
            Target::Service { namespace, name } => match self.names.service(namespace, name) {
                Some(service) => self.route_to_service(service, query, Way::Name),
                None => Err(self.names.missing("Service", namespace, name)),
            },
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return self.route_to_pod(self.named_pod(namespace, name)?, query);
                }
                if let Some(service) = self.names.service(namespace, name) {
                    return self.route_to_service(service, query, Way::Name);
                }
                match self.workload(namespace, name, notes) {
                    Some(side) => self.route_to_pod(side, query),
                    None => Err(self.names.missing("pod or Service", namespace, name)),
                }
            }
        }
    }

    fn route_to_address(&self, ip: IpAddr, query: &Query) -> Result<Route<'_>, QueryError> {
        let v4 = ip.is_ipv4();
        let side = self.at(ip);
        let mut refused = None;
        // Several may share the address, on different ports.
        for service in self.fronts.at(ip) {
            let inside = service.cluster_ips.iter().any(|own| own.to_canonical() == ip);
            let way = if inside { Way::Inside { v4 } } else { Way::Outside { v4 } };
            match self.route_to_service(service, query, way) {
                Ok(route) => return Ok(route),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        if matches!(side.who, Who::Node(_))
            && let Some((service, port)) = self.fronts.node_port(query.port.as_ref(), query.protocol)
        {
            return Ok(self.route_to_port(service, port, Way::Outside { v4 }));
        }
        match (side.who, refused) {
            (Who::Unknown(_), Some(error)) => Err(error),
            // A node has ports of its own, whatever Services list its address.
            _ => self.route_to_pod(side, query),
        }
    }

    fn route_to_service<'a>(
        &'a self,
        service: &'a Service,
        query: &Query,
        way: Way,
    ) -> Result<Route<'a>, QueryError> {
        let port = service::port(service, query.port.as_ref(), query.protocol)?;
        Ok(self.route_to_port(service, port, way))
    }

    fn route_to_port<'a>(&'a self, service: &'a Service, port: &'a ServicePort, way: Way) -> Route<'a> {
        let protocol = crate::query::parse::protocol(&port.protocol).unwrap_or_default();
        let groups = service::backends(service, port, way).into_iter();
        let ends = groups.map(|group| {
            let Group { port, .. } = group;
            End { side: self.backend(service, group), port, protocol }
        });
        Route { service: Some((service, port, way)), ends: ends.collect() }
    }

    /// The pod that the backend names, with the backend's addresses; else whoever has its address.
    fn backend<'a>(&'a self, service: &Service, group: Group<'a>) -> Side<'a> {
        let Group { pod, ips, .. } = group;
        let named = pod.and_then(|name| self.names.pod(&service.namespace, name)).filter(|pod| !pod.finished);
        match (named, &*ips) {
            (Some(pod), _) => Side { ips, ..pod_side(pod) },
            (None, [ip, ..]) => self.at(*ip),
            (None, []) => {
                let (label, who) = ("a backend".to_owned(), Who::Unknown("its address is not known"));
                Side { label, remark: None, who, pod: None, ips }
            }
        }
    }

    /// To a pod, or to an address that is no Service's.
    fn route_to_pod<'a>(&self, side: Side<'a>, query: &Query) -> Result<Route<'a>, QueryError> {
        let (port, protocol) = match (side.pod, &query.port) {
            (_, Some(Port::Number(number))) => (*number, query.protocol.unwrap_or_default()),
            (Some(pod), asked) => container_port(pod, asked.as_ref(), query.protocol)?,
            (None, Some(Port::Name(_))) => return Err(QueryError::NoNames(side.label)),
            (None, None) => return Err(QueryError::NoPort(side.label)),
        };
        Ok(Route::direct(side, port, protocol))
    }

    pub(super) fn named_pod(&self, namespace: &ArcStr, name: &ArcStr) -> Result<Side<'_>, QueryError> {
        match self.names.pod(namespace, name) {
            None => Err(self.names.missing("pod", namespace, name)),
            Some(pod) if pod.finished => Err(QueryError::Finished(format!("{namespace}/{name}"))),
            Some(pod) => Ok(pod_side(pod)),
        }
    }

    /// A pod of the workload, if there is such a workload.
    pub(super) fn workload(&self, namespace: &str, name: &str, notes: &mut Vec<String>) -> Option<Side<'_>> {
        let (pod, count) = self.names.workload(namespace, name)?;
        let kind = &pod.workload.kind;
        notes.push(format!("{namespace}/{name} is a {kind}; {} stands for its {}", pod.name, pods(count)));
        Some(pod_side(pod))
    }

    /// A pod behind a Service, to be the source.
    pub(super) fn pod_behind(
        &self,
        namespace: &ArcStr,
        name: &ArcStr,
        notes: &mut Vec<String>,
    ) -> Result<Side<'_>, QueryError> {
        let Some(service) = self.names.service(namespace, name) else {
            return Err(self.names.missing("Service", namespace, name));
        };
        let named = |pod: &ArcStr| self.names.pod(namespace, pod).filter(|pod| !pod.finished);
        let mut behind: Vec<_> = service.backends.iter().filter_map(|b| named(b.pod.as_ref()?)).collect();
        behind.sort_by_key(|pod| &pod.name);
        behind.dedup_by_key(|pod| &pod.name);
        let Some(pod) = behind.first() else {
            return Err(QueryError::NoPodBehind(service.object_ref().to_string()));
        };
        notes.push(format!(
            "{namespace}/{name} is a Service; {} stands for the {} behind it",
            pod.name,
            pods(behind.len())
        ));
        Ok(pod_side(pod))
    }
}

impl fmt::Display for Side<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)?;
        self.remark.iter().try_for_each(|remark| write!(f, " ({remark})"))
    }
}

fn pod_side(pod: &Pod) -> Side<'_> {
    let (who, remark) = match (pod.host_network, &pod.node) {
        (true, Some(node)) => (Who::Node(node), Some(format!("in the network of node {node}"))),
        _ => (Who::Pod(pod), None),
    };
    let label = format!("{}/{}", pod.namespace, pod.name);
    let ips = pod.ips.iter().map(IpAddr::to_canonical).collect();
    Side { label, remark, who, pod: Some(pod), ips }
}

fn container_port(
    pod: &Pod,
    asked: Option<&Port>,
    protocol: Option<Protocol>,
) -> Result<(u16, Protocol), QueryError> {
    let fits = |name: Option<&ArcStr>| match asked {
        Some(Port::Name(asked)) => name == Some(asked),
        _ => true,
    };
    let known = pod.ports.iter().filter_map(|port| {
        let own = crate::query::parse::protocol(&port.protocol).ok()?;
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

fn pods(count: usize) -> String {
    if count == 1 { "one pod".to_owned() } else { format!("{count} pods") }
}
