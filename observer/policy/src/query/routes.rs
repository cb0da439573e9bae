//! The ways that a question's destination stands for.

use std::net::IpAddr;

use arcstr::ArcStr;
use flow_identity::{Access, Behind, KnownService, Way};
use flow_model::connection::Who;
use flow_model::policies::Protocol;

use crate::query::directory::{Directory, NOW};
use crate::query::error::QueryError;
use crate::query::look_up::Found;
use crate::query::question::{Port, Query, Target};
use crate::query::route::{self, End, Route};
use crate::query::service::{self, Group};
use crate::query::side::{self, Side};

/// The longest chain of aliases that is followed.
const ALIASES: usize = 8;

/// What a question asks, beside its source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'q> {
    pub(super) port: Option<&'q Port>,
    pub(super) protocol: Option<Protocol>,
    /// The client's namespace, where it has one.
    pub(super) own: Option<&'q ArcStr>,
    /// The number of aliases that led here.
    aliases: usize,
}

impl Directory {
    /// Resolves the destination: usually one way, and two where a pod and a Service have one name.
    ///
    /// # Errors
    /// Fails when there is no such object, or the port is not clear.
    pub(super) fn routes<'a>(
        &'a self,
        query: &Query,
        own: Option<&ArcStr>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Route<'a>>, QueryError> {
        let asked = Asked { port: query.port.as_ref(), protocol: query.protocol, own, aliases: 0 };
        match &query.dst {
            Target::Ip(ip) => Ok(vec![self.route_to_address(*ip, asked, notes)?]),
            Target::Pod { namespace, name } => {
                let side = self.named_pod(namespace, name, notes)?;
                Ok(vec![route_to_pods(format!("{namespace}/{name}"), vec![side], asked)?])
            }
            Target::Service { namespace, name } => {
                Ok(vec![self.route_to_named_service(namespace, name, asked, notes)?])
            }
            Target::Host(name) => Ok(vec![self.route_to_host(name, asked, notes)?]),
            Target::Named { namespace, name } => self.routes_to_name(namespace, name, asked, notes),
        }
    }

    fn routes_to_name<'a>(
        &'a self,
        namespace: &ArcStr,
        name: &ArcStr,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Route<'a>>, QueryError> {
        let what = format!("{namespace}/{name}");
        let known = self.identity.service(namespace, name);
        let by_service = known.map(|known| self.route_to_service(known, asked, Access::ByName, notes));
        let by_pod = self.names.pod(namespace, name).map(|_| {
            let side = self.named_pod(namespace, name, notes)?;
            route_to_pods(what.clone(), vec![side], asked)
        });
        match (by_service, by_pod) {
            (Some(Ok(service)), Some(pod)) => self.of_one_name(service, pod, notes),
            (Some(Ok(service)), None) => Ok(vec![service]),
            (Some(Err(why)), Some(Ok(pod))) => {
                notes.push(format!("{what} is a pod; there is also a Service {what}, but {why}"));
                Ok(vec![pod])
            }
            (Some(Err(why)), None) if why.is_about_ports() => {
                // The port may be one of the pods', which clients use past the Service.
                let sides = self.servers(namespace, name, &mut Vec::new());
                match route_to_pods(what.clone(), sides, asked) {
                    Ok(route) if !route.ends.is_empty() && asked.port.is_some() && route.declares(asked) => {
                        notes.push(format!("{why}; the pods of {what} are judged themselves"));
                        Ok(vec![route])
                    }
                    _ => Err(why),
                }
            }
            (Some(Err(why)), _) => Err(why),
            (None, Some(pod)) => Ok(vec![pod?]),
            (None, None) => match self.servers(namespace, name, notes) {
                none if none.is_empty() => self.routes_by_kind(namespace, name, asked, notes),
                sides => Ok(vec![route_to_pods(what, sides, asked)?]),
            },
        }
    }

    /// Takes both meanings of a name that a pod and a Service have. A Service without backends is only told.
    fn of_one_name<'a>(
        &self,
        service: Route<'a>,
        pod: Result<Route<'a>, QueryError>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Route<'a>>, QueryError> {
        let name = &service.what;
        let leads = match (&*service.ends, &service.service) {
            ([], _) => "it has no backends".to_owned(),
            ([first, ..], Some(at)) => format!("{at} leads to port {} of its backends", first.port),
            ([_, ..], None) => "it is an alias".to_owned(),
        };
        Ok(match pod {
            Ok(pod) if service.ends.is_empty() => {
                notes.push(format!("{} is a pod; there is also a {name}, but {leads}", pod.what));
                vec![pod]
            }
            Ok(pod) => {
                notes.push(format!("there is a pod {} and a {name}: {leads}", pod.what));
                vec![pod, service]
            }
            // Which port of the pod is meant is not clear, so the Service may not be meant either.
            Err(QueryError::WhichPort { what, has }) => return Err(QueryError::WhichPort { what, has }),
            Err(_) => {
                notes.push(format!("the {name} is judged; there is also a pod of that name"));
                vec![service]
            }
        })
    }

    /// Reads `svc/NAME` as kubectl does, where there is no namespace of that name.
    fn routes_by_kind<'a>(
        &'a self,
        kind: &ArcStr,
        name: &ArcStr,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Route<'a>>, QueryError> {
        let missing = || self.names.missing("pod or Service", kind, name);
        let Some(own) = asked.own.filter(|_| !self.names.has_namespace(kind)) else { return Err(missing()) };
        match &**kind {
            "svc" | "service" | "services" => Ok(vec![self.route_to_named_service(own, name, asked, notes)?]),
            "po" | "pod" | "pods" => {
                let side = self.named_pod(own, name, notes)?;
                Ok(vec![route_to_pods(format!("{own}/{name}"), vec![side], asked)?])
            }
            "deploy" | "deployment" | "sts" | "statefulset" | "ds" | "daemonset" | "job" | "cronjob" => {
                match self.servers(own, name, notes) {
                    none if none.is_empty() => Err(missing()),
                    sides => Ok(vec![route_to_pods(format!("{own}/{name}"), sides, asked)?]),
                }
            }
            _ => Err(missing()),
        }
    }

    fn route_to_named_service<'a>(
        &'a self,
        namespace: &ArcStr,
        name: &ArcStr,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        match self.identity.service(namespace, name) {
            Some(known) => self.route_to_service(known, asked, Access::ByName, notes),
            None => Err(self.names.missing("Service", namespace, name)),
        }
    }

    /// Follows a DNS name.
    fn route_to_host<'a>(
        &'a self,
        name: &str,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        match self.look_up(name, asked.own.map(|own| &**own), notes)? {
            Found::Address(ip) => self.route_to_address(ip, asked, notes),
            Found::Pod(pod) => {
                let what = format!("{}/{}", pod.namespace, pod.name);
                route_to_pods(what, vec![Side::pod(pod)], asked)
            }
            Found::Service(known) => self.route_to_service(known, asked, Access::ByName, notes),
            Found::Outside => {
                notes.push(format!(
                    "{name} is taken for a name outside the cluster; policies see the address that it resolves to"
                ));
                route_to_pods(name.to_owned(), vec![Side::outside(name)], asked)
            }
        }
    }

    fn route_to_address<'a>(
        &'a self,
        ip: IpAddr,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        let side = self.at(ip);
        let protocol = asked.protocol.unwrap_or_default();
        let with_address = |route| Route { address: Some(ip.to_canonical()), ..route };
        if side.pod.is_some() {
            // A pod's own address may be in a Service too: there is no DNAT then.
            return route_to_pods(side.label.clone(), vec![side], asked);
        }
        if let Some(Port::Number(number)) = asked.port {
            if let Some(behind) = self.identity.behind(ip, *number, protocol, NOW) {
                return Ok(with_address(self.route_through(behind)));
            }
            if let Some(found) = self.identity.host_port(ip, *number, protocol) {
                notes.push(format!(
                    "port {number} of node {} is a hostPort of {}/{}",
                    found.pod.node.as_deref().unwrap_or_default(),
                    found.pod.namespace,
                    found.pod.name
                ));
                let end = End::new(Side::pod(found.pod), found.port.port, protocol);
                let route = Route::straight(side.label, vec![end]);
                return Ok(with_address(Route { way: Way::HostPort(found), ..route }));
            }
        }
        let mut refused = None;
        // Several may share the address, on different ports.
        for known in self.identity.services_at(ip, NOW) {
            match self.route_to_service(known, asked, Access::at(known.service(), ip), notes) {
                Ok(mut route) => {
                    if let Way::Behind(behind) = route.way {
                        route.way = Way::Behind(behind.through(ip));
                    }
                    return Ok(with_address(route));
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        let beyond = self.identity.proxied(ip).map(|service| {
            format!("{ip} is a load balancer's address of Service {service} with ipMode Proxy: the packet leaves for it, and from where it comes back is not known")
        });
        match (side.who, refused) {
            (Who::Unknown(_), Some(error)) => Err(error),
            // A node has ports of its own, whatever Services list its address.
            _ => Ok(Route { beyond, ..route_to_pods(side.label.clone(), vec![side], asked)? }),
        }
    }

    fn route_to_service<'a>(
        &'a self,
        known: &'a KnownService,
        asked: Asked<'_>,
        access: Access,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        let service = known.service();
        if let Some(name) = &service.external_name {
            return self.route_to_alias(known, name, asked, notes);
        }
        if service.cluster_ips.is_empty() && access == Access::ByName && service.headless {
            return self.route_to_headless(known, asked, notes);
        }
        let port = service::port(service, asked.port, asked.protocol)?;
        Ok(self.route_through(Behind::new(&self.identity, known, port, access, NOW)))
    }

    fn route_to_alias<'a>(
        &'a self,
        known: &'a KnownService,
        name: &ArcStr,
        asked: Asked<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Route<'a>, QueryError> {
        let service = known.service();
        if asked.aliases >= ALIASES {
            return Err(QueryError::AliasLoop(service.object_ref().to_string()));
        }
        notes.push(format!("Service {} is an alias (ExternalName) for {name}", service.object_ref()));
        let only = match &*service.ports {
            [only] => Some(Port::Number(only.port)),
            _ => None,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let port = asked.port.or(only.as_ref());
        // The name is complete: it is not looked up in any namespace.
        self.route_to_host(&name, Asked { port, own: None, aliases: asked.aliases + 1, ..asked }, notes)
    }

    fn route_through<'a>(&'a self, behind: Behind<'a>) -> Route<'a> {
        let protocol = behind.protocol();
        let groups = service::groups(behind.ends()).into_iter();
        let ends = groups.map(|group| {
            let end = End::new(self.backend(&group), group.port, protocol);
            End { node: group.node.or(end.node), ..end }
        });
        let ends = ends.collect();
        Route {
            way: Way::Behind(behind),
            service: Some(route::at(&behind)),
            ..Route::straight(format!("Service {}", behind.service().object_ref()), ends)
        }
    }

    /// Describes the pod that the backend names, with the backend's addresses; else the holder of its address.
    pub(super) fn backend<'a>(&'a self, group: &Group<'a>) -> Side<'a> {
        let Group { pod, ips, .. } = group;
        match (pod, &**ips) {
            (Some(pod), _) => Side { ips: ips.clone(), ..Side::pod(pod) },
            (None, [ip, ..]) => self.at(*ip),
            (None, []) => {
                let (label, who) = ("a backend".to_owned(), Who::Unknown("its address is not known"));
                Side { label, remark: None, who, pod: None, ips: Vec::new() }
            }
        }
    }
}

impl Route<'_> {
    /// Is true when the ends declare the port that is asked for.
    fn declares(&self, asked: Asked<'_>) -> bool {
        let Some(Port::Number(number)) = asked.port else { return true };
        self.ends.iter().filter_map(|end| end.side.pod).any(|pod| pod.ports.iter().any(|p| p.port == *number))
    }
}

/// Leads straight to pods, or to an address that belongs to no Service.
pub(super) fn route_to_pods<'a>(
    what: String,
    sides: Vec<Side<'a>>,
    asked: Asked<'_>,
) -> Result<Route<'a>, QueryError> {
    let mut ends = Vec::with_capacity(sides.len());
    for side in sides {
        let (port, protocol) = match (side.pod, asked.port) {
            (_, Some(Port::Number(number))) => (*number, asked.protocol.unwrap_or_default()),
            (Some(pod), port) => side::container_port(pod, port, asked.protocol)?,
            (None, Some(Port::Name(_))) => return Err(QueryError::NoNames(side.label)),
            (None, None) => return Err(QueryError::NoPort(side.label)),
        };
        ends.push(End::new(side, port, protocol));
    }
    Ok(Route::straight(what, ends))
}
