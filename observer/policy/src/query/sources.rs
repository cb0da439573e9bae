//! The sides that a question's source stands for.

use arcstr::ArcStr;
use flow_identity::KnownService;
use flow_model::connection::Who;
use flow_model::inventory::Pod;

use crate::query::directory::{Directory, pods};
use crate::query::error::QueryError;
use crate::query::look_up::Found;
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
            Target::Service { namespace, name } => match self.identity.service(namespace, name) {
                Some(known) => pods_behind(known, notes),
                None => Err(self.names.missing("Service", namespace, name)),
            },
            Target::Host(name) => self.source_by_dns_name(name, notes),
            Target::Named { namespace, name } => {
                if self.names.pod(namespace, name).is_some() {
                    return Ok(vec![self.named_pod(namespace, name, notes)?]);
                }
                let workload = self.workload(namespace, name, notes);
                match (workload.is_empty(), self.identity.service(namespace, name)) {
                    (false, _) => Ok(workload),
                    (true, Some(known)) => pods_behind(known, notes),
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
        match self.look_up(name, None, notes)? {
            Found::Address(ip) => Ok(vec![self.at(ip)]),
            Found::Pod(pod) => Ok(vec![Side::pod(pod)]),
            Found::Service(known) => pods_behind(known, notes),
            Found::Outside => {
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
        let past = self.names.past(namespace, name);
        notes.extend(past.map(|past| instead(namespace, name, past)));
        past.map(|past| of_past(past, &past.pod)).into_iter().collect()
    }

    /// Describes the pods of the workload as servers: they are others than the clients of the same workload where one pod
    /// stands for all.
    pub(super) fn servers(&self, namespace: &str, name: &str, notes: &mut Vec<String>) -> Vec<Side<'_>> {
        match (self.names.workload(namespace, name), self.names.past(namespace, name)) {
            ([], Some(past)) => {
                notes.push(instead(namespace, name, past));
                vec![of_past(past, &past.twin)]
            }
            _ => self.workload(namespace, name, notes),
        }
    }
}

/// Tells what is judged in place of a workload without running pods.
fn instead(namespace: &str, name: &str, Past { pod, is_template, .. }: &Past) -> String {
    let kind = &pod.workload.kind;
    match is_template {
        true => format!(
            "no pod of {kind} {namespace}/{name} is running; it is judged by the labels of its pod template"
        ),
        false => format!(
            "no pod of {kind} {namespace}/{name} is running; {}, which has finished, is judged by its labels",
            pod.name
        ),
    }
}

fn of_past<'a>(past: &'a Past, pod: &'a Pod) -> Side<'a> {
    let label = match past.is_template {
        true => format!("{}/{}", pod.namespace, pod.workload.name),
        false => format!("{}/{}", pod.namespace, pod.name),
    };
    Side { label, ..Side::pod(pod) }
}

/// Describes the pods behind a Service, to be the source.
fn pods_behind<'a>(known: &'a KnownService, notes: &mut Vec<String>) -> Result<Vec<Side<'a>>, QueryError> {
    let name = known.service().object_ref();
    let mut behind: Vec<_> = known.backends().filter_map(|(_, pod)| pod).collect();
    behind.sort_by_key(|pod| &pod.name);
    behind.dedup_by_key(|pod| &pod.name);
    if behind.is_empty() {
        return Err(QueryError::NoPodBehind(name.to_string()));
    }
    notes.push(format!("{name} is a Service with {} behind it", pods(behind.len())));
    Ok(behind.into_iter().map(|pod| Side::pod(pod)).collect())
}

/// Returns the namespace in which a client's short names are looked up.
pub(super) fn namespace<'a>(sides: &[Side<'a>]) -> Option<&'a ArcStr> {
    let [first, ..] = sides else { return None };
    match (first.pod, first.who) {
        (Some(pod), _) | (None, Who::Pod(pod)) => Some(&pod.namespace),
        (None, Who::Node(_) | Who::External | Who::Unknown(_)) => None,
    }
}
