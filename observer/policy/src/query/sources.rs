//! The sides that a question's source stands for.

use arcstr::ArcStr;
use flow_model::connection::Who;

use crate::query::directory::{Directory, pods};
use crate::query::dns_name::{self, Meaning};
use crate::query::error::QueryError;
use crate::query::names::Past;
use crate::query::question::Target;
use crate::query::side::Side;

impl Directory {
    /// Resolves the source: one side, or all pods that a name stands for.
    ///
    /// # Errors
    /// Fails when there is no such object, or it opens no connections.
    pub(super) fn sources(
        &self,
        target: &Target,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Side<'_>>, QueryError> {
        match target {
            Target::Ip(ip) => Ok(vec![self.at(*ip)]),
            Target::Pod { namespace, name } => Ok(vec![self.named_pod(namespace, name, notes)?]),
            Target::Service { namespace, name } => self.pods_behind(namespace, name, notes),
            Target::Host(name) => self.source_by_dns_name(name, notes),
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return Ok(vec![self.named_pod(namespace, name, notes)?]);
                }
                let workload = self.workload(namespace, name, notes);
                match (workload.is_empty(), self.identity.service(namespace, name)) {
                    (false, _) => Ok(workload),
                    (true, Some(_)) => self.pods_behind(namespace, name, notes),
                    (true, None) => Err(self.names.missing("pod", namespace, name)),
                }
            }
        }
    }

    fn source_by_dns_name(
        &self,
        name: &ArcStr,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Side<'_>>, QueryError> {
        let mut candidate = None;
        for meaning in dns_name::meanings(name, None) {
            match meaning {
                Meaning::Address(ip) => return Ok(vec![self.at(ip)]),
                Meaning::PodBehind { namespace, service, host } => {
                    if let Some(pod) = self.pod_behind(&namespace, &service, &host) {
                        return Ok(vec![Side::pod(pod)]);
                    }
                    candidate = Some(format!("{namespace}/{service} with a pod {host}"));
                }
                Meaning::Service { namespace, name } => {
                    if self.identity.service(&namespace, &name).is_some() {
                        return self.pods_behind(&namespace, &name, notes);
                    }
                    candidate = Some(format!("{namespace}/{name}"));
                }
            }
        }
        match candidate.filter(|_| self.is_of_cluster(name)) {
            Some(candidate) => Err(QueryError::NoHost { name: name.to_string(), candidate }),
            None => {
                notes.push(format!(
                    "{name} is taken for a name outside the cluster; what it resolves to is not known"
                ));
                Ok(vec![Side::outside(name)])
            }
        }
    }

    /// Describes the pod of this name. One that has finished is judged as it was.
    pub(super) fn named_pod(
        &self,
        namespace: &ArcStr,
        name: &ArcStr,
        notes: &mut Vec<String>,
    ) -> Result<Side<'_>, QueryError> {
        if let Some(pod) = self.names.finished(namespace, name) {
            notes.push(format!(
                "pod {namespace}/{name} has finished: it owns no address, opens no connection and takes none; it is judged by its labels"
            ));
            return Ok(Side::pod(pod));
        }
        self.names
            .pod(namespace, name)
            .map(|pod| Side::pod(pod))
            .ok_or_else(|| self.names.missing("pod", namespace, name))
    }

    /// Describes the pods of the workload; none if there is no such workload.
    pub(super) fn workload(&self, namespace: &str, name: &str, notes: &mut Vec<String>) -> Vec<Side<'_>> {
        let running = self.names.workload(namespace, name);
        if let [first, ..] = running {
            let kind = &first.workload.kind;
            notes.push(format!("{namespace}/{name} is a {kind} with {}", pods(running.len())));
            return running.iter().map(|pod| Side::pod(pod)).collect();
        }
        match self.names.past(namespace, name) {
            None => Vec::new(),
            Some(Past::Finished(pod)) => {
                let kind = &pod.workload.kind;
                notes.push(format!(
                    "no pod of {kind} {namespace}/{name} is running; {}, which has finished, is judged by its labels",
                    pod.name
                ));
                vec![Side::pod(pod)]
            }
            Some(Past::Template(pod)) => {
                let kind = &pod.workload.kind;
                notes.push(format!(
                    "no pod of {kind} {namespace}/{name} is running; it is judged by the labels of its pod template"
                ));
                vec![Side { label: format!("{namespace}/{name}"), ..Side::pod(pod) }]
            }
        }
    }

    /// Describes the pods behind a Service, to be the source.
    fn pods_behind(
        &self,
        namespace: &ArcStr,
        name: &ArcStr,
        notes: &mut Vec<String>,
    ) -> Result<Vec<Side<'_>>, QueryError> {
        let Some(service) = self.identity.service(namespace, name) else {
            return Err(self.names.missing("Service", namespace, name));
        };
        let mut behind: Vec<_> = service.backends().filter_map(|(_, pod)| pod).collect();
        behind.sort_by_key(|pod| &pod.name);
        behind.dedup_by_key(|pod| &pod.name);
        if behind.is_empty() {
            return Err(QueryError::NoPodBehind(service.service().object_ref().to_string()));
        }
        notes.push(format!("{namespace}/{name} is a Service with {} behind it", pods(behind.len())));
        Ok(behind.into_iter().map(|pod| Side::pod(pod)).collect())
    }
}

/// Returns the namespace in which a client's short names are looked up.
pub(super) fn namespace<'a>(sides: &[Side<'a>]) -> Option<&'a ArcStr> {
    let [first, ..] = sides else { return None };
    match (first.pod, first.who) {
        (Some(pod), _) | (None, Who::Pod(pod)) => Some(&pod.namespace),
        (None, Who::Node(_) | Who::External | Who::Unknown(_)) => None,
    }
}
