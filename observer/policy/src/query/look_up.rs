//! The look-up of DNS names.

use std::net::IpAddr;

use flow_identity::KnownService;
use flow_model::inventory::Pod;

use crate::query::directory::Directory;
use crate::query::dns_name::{self, Meaning};
use crate::query::error::QueryError;

/// What a DNS name stands for.
pub(super) enum Found<'a> {
    Address(IpAddr),
    Pod(&'a Pod),
    Service(&'a KnownService),
    /// A name outside the cluster.
    Outside,
}

impl Directory {
    /// Looks up a name as a pod of the namespace does.
    ///
    /// # Errors
    /// Fails for a name of the cluster that nothing has.
    pub(super) fn look_up(
        &self,
        name: &str,
        own: Option<&str>,
        notes: &mut Vec<String>,
    ) -> Result<Found<'_>, QueryError> {
        let mut candidate = None;
        for meaning in dns_name::meanings(name, own) {
            match meaning {
                Meaning::Address(ip) => return Ok(Found::Address(ip)),
                Meaning::PodBehind { namespace, service, host } => {
                    if let Some(pod) = self.pod_behind(&namespace, &service, &host) {
                        return Ok(Found::Pod(pod));
                    }
                    candidate.get_or_insert(format!("{namespace}/{service} with a pod {host}"));
                }
                Meaning::Service { namespace, name: service } => {
                    if let Some(known) = self.identity.service(&namespace, &service) {
                        let domain = dns_name::other_domain(name);
                        notes.extend(
                            domain.map(|domain| format!("{domain} is taken for the cluster's domain")),
                        );
                        return Ok(Found::Service(known));
                    }
                    candidate = Some(format!("{namespace}/{service}"));
                }
            }
        }
        if !self.is_of_cluster(name) {
            return Ok(Found::Outside);
        }
        let why = match (candidate, name.contains('.')) {
            (Some(candidate), _) => format!("there is no Service {candidate}"),
            (None, false) => {
                "a name without a namespace is looked up in the client's, and there is none".to_owned()
            }
            (None, true) => "neither Services nor pods have such names".to_owned(),
        };
        Err(QueryError::NoHost { name: name.to_owned(), why })
    }

    /// Is true for a DNS name that can't be one outside the cluster.
    fn is_of_cluster(&self, name: &str) -> bool {
        let is_namespace = |name: Option<&str>| name.is_some_and(|name| self.names.has_namespace(name));
        let mut labels = name.split('.');
        let of_pod = labels.clone().nth(2) == Some("pod");
        !name.contains('.')
            || dns_name::is_in_domain(name)
            || name.ends_with(".svc")
            || name.contains(".svc.")
            || of_pod && is_namespace(labels.clone().nth(1))
            || is_namespace(labels.next_back())
    }
}
