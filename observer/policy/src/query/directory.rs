//! Targets of questions, looked up in one inventory.

use std::net::IpAddr;
use std::sync::Arc;

use arcstr::ArcStr;
use flow_identity::{Access, Behind, Identity, KnownService};
use flow_model::connection::Who;
use flow_model::inventory::Inventory;
use jiff::Timestamp;

use crate::query::error::QueryError;
use crate::query::names::Names;
use crate::query::parse;
use crate::query::question::{Port, Query, Target};
use crate::query::route::{End, Route};
use crate::query::service::{self, Group};
use crate::query::side::{self, Side};

/// The time of all questions. An inventory has no past and no future here: whatever has an address has it now.
const NOW: Timestamp = Timestamp::MAX;

/// Finds objects by their names and addresses.
#[derive(Debug)]
pub(super) struct Directory {
    identity: Identity,
    names: Names,
}

impl Directory {
    /// Indexes an inventory.
    pub(super) fn new(inventory: &Arc<Inventory>) -> Self {
        let mut identity = Identity::new();
        identity.apply(Arc::clone(inventory), NOW);
        Self { identity, names: Names::new(inventory) }
    }

    /// Resolves the source.
    ///
    /// # Errors
    /// Fails when there is no such object, or it opens no connections.
    pub(super) fn source(&self, target: &Target, notes: &mut Vec<String>) -> Result<Side<'_>, QueryError> {
        match target {
            Target::Ip(ip) => Ok(self.at(*ip)),
            Target::Pod { namespace, name } => self.named_pod(namespace, name),
            Target::Service { namespace, name } => self.pod_behind(namespace, name, notes),
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return self.named_pod(namespace, name);
                }
                if let Some(side) = self.workload(namespace, name, notes) {
                    return Ok(side);
                }
                match self.identity.service(namespace, name) {
                    Some(_) => self.pod_behind(namespace, name, notes),
                    None => Err(self.names.missing("pod", namespace, name)),
                }
            }
        }
    }

    /// Resolves the destination.
    ///
    /// # Errors
    /// Fails when there is no such object, or the port is not clear.
    pub(super) fn route(&self, query: &Query, notes: &mut Vec<String>) -> Result<Route<'_>, QueryError> {
        match &query.dst {
            Target::Ip(ip) => self.route_to_address(*ip, query),
            Target::Pod { namespace, name } => self.route_to_pod(self.named_pod(namespace, name)?, query),
            Target::Service { namespace, name } => match self.identity.service(namespace, name) {
                Some(service) => self.route_to_service(service, query, Access::ByName),
                None => Err(self.names.missing("Service", namespace, name)),
            },
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return self.route_to_pod(self.named_pod(namespace, name)?, query);
                }
                if let Some(service) = self.identity.service(namespace, name) {
                    return self.route_to_service(service, query, Access::ByName);
                }
                match self.workload(namespace, name, notes) {
                    Some(side) => self.route_to_pod(side, query),
                    None => Err(self.names.missing("pod or Service", namespace, name)),
                }
            }
        }
    }

    fn route_to_address(&self, ip: IpAddr, query: &Query) -> Result<Route<'_>, QueryError> {
        let side = self.at(ip);
        if side.pod.is_some() {
            // A pod's own address may be in a Service too: there is no DNAT then.
            return self.route_to_pod(side, query);
        }
        if let Some(Port::Number(number)) = query.port
            && let Some(behind) = self.identity.behind(ip, number, query.protocol.unwrap_or_default(), NOW)
        {
            return Ok(self.route_through(behind));
        }
        let mut refused = None;
        // Several may share the address, on different ports.
        for known in self.identity.services_at(ip, NOW) {
            match self.route_to_service(known, query, Access::at(known.service(), ip)) {
                Ok(route) => return Ok(route),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        match (side.who, refused) {
            (Who::Unknown(_), Some(error)) => Err(error),
            // A node has ports of its own, whatever Services list its address.
            _ => self.route_to_pod(side, query),
        }
    }

    fn route_to_service<'a>(
        &'a self,
        known: &'a KnownService,
        query: &Query,
        access: Access,
    ) -> Result<Route<'a>, QueryError> {
        let port = service::port(known.service(), query.port.as_ref(), query.protocol)?;
        Ok(self.route_through(Behind::new(&self.identity, known, port, access, NOW)))
    }

    fn route_through<'a>(&'a self, behind: Behind<'a>) -> Route<'a> {
        let protocol = parse::protocol(&behind.port().protocol).unwrap_or_default();
        let groups = service::groups(&behind).into_iter();
        let ends = groups.map(|group| End { port: group.port, side: self.backend(group), protocol });
        Route { behind: Some(behind), ends: ends.collect() }
    }

    /// Describes the pod that the backend names, with the backend's addresses; else the holder of its address.
    fn backend<'a>(&'a self, group: Group<'a>) -> Side<'a> {
        let Group { pod, ips, .. } = group;
        match (pod, &*ips) {
            (Some(pod), _) => Side { ips, ..Side::pod(pod) },
            (None, [ip, ..]) => self.at(*ip),
            (None, []) => {
                let (label, who) = ("a backend".to_owned(), Who::Unknown("its address is not known"));
                Side { label, remark: None, who, pod: None, ips }
            }
        }
    }

    /// Leads to a pod, or to an address that belongs to no Service.
    fn route_to_pod<'a>(&self, side: Side<'a>, query: &Query) -> Result<Route<'a>, QueryError> {
        let (port, protocol) = match (side.pod, &query.port) {
            (_, Some(Port::Number(number))) => (*number, query.protocol.unwrap_or_default()),
            (Some(pod), asked) => side::container_port(pod, asked.as_ref(), query.protocol)?,
            (None, Some(Port::Name(_))) => return Err(QueryError::NoNames(side.label)),
            (None, None) => return Err(QueryError::NoPort(side.label)),
        };
        Ok(Route::direct(side, port, protocol))
    }

    /// Describes the pod of this name.
    fn named_pod(&self, namespace: &ArcStr, name: &ArcStr) -> Result<Side<'_>, QueryError> {
        match self.names.pod(namespace, name) {
            None => Err(self.names.missing("pod", namespace, name)),
            Some(pod) if pod.finished => Err(QueryError::Finished(format!("{namespace}/{name}"))),
            Some(pod) => Ok(Side::pod(pod)),
        }
    }

    /// Describes a pod of the workload, if there is such a workload.
    fn workload(&self, namespace: &str, name: &str, notes: &mut Vec<String>) -> Option<Side<'_>> {
        let (pod, count) = self.names.workload(namespace, name)?;
        let kind = &pod.workload.kind;
        notes.push(format!("{namespace}/{name} is a {kind}; {} stands for its {}", pod.name, pods(count)));
        Some(Side::pod(pod))
    }

    /// Describes a pod behind a Service, to be the source.
    fn pod_behind(
        &self,
        namespace: &ArcStr,
        name: &ArcStr,
        notes: &mut Vec<String>,
    ) -> Result<Side<'_>, QueryError> {
        let Some(service) = self.identity.service(namespace, name) else {
            return Err(self.names.missing("Service", namespace, name));
        };
        let mut behind: Vec<_> = service.backends().filter_map(|(_, pod)| pod).collect();
        behind.sort_by_key(|pod| &pod.name);
        behind.dedup_by_key(|pod| &pod.name);
        let Some(pod) = behind.first() else {
            return Err(QueryError::NoPodBehind(service.service().object_ref().to_string()));
        };
        notes.push(format!(
            "{namespace}/{name} is a Service; {} stands for the {} behind it",
            pod.name,
            pods(behind.len())
        ));
        Ok(Side::pod(pod))
    }

    /// Describes the holder of the address.
    fn at(&self, ip: IpAddr) -> Side<'_> {
        let who = self.identity.party(ip, NOW).who;
        let (label, remark, pod) = match who {
            Who::Pod(pod) => (format!("{}/{}", pod.namespace, pod.name), None, Some(pod)),
            Who::Node(node) => (ip.to_string(), Some(format!("node {node}")), None),
            Who::External => (ip.to_string(), Some("outside the cluster".to_owned()), None),
            Who::Unknown(_) => (ip.to_string(), None, None),
        };
        Side { label, remark, who, pod, ips: vec![ip.to_canonical()] }
    }
}

fn pods(count: usize) -> String {
    if count == 1 { "one pod".to_owned() } else { format!("{count} pods") }
}
