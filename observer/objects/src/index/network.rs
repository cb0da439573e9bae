//! What the objects show of the cluster's network.

use flow_model::network::{Enforcer, LocalDns};

use crate::convert::Role;
use crate::index::Index;

impl Index {
    /// Returns the enforcer of the policies. One that runs as pods goes before that of k3s, which is part of its kubelet:
    /// who installs another one turns that off.
    pub(super) fn enforcer(&self) -> Enforcer {
        let of_role = |role: &Role| match role {
            Role::Enforcer(enforcer) => Some(*enforcer),
            Role::LocalDns(_) => None,
        };
        let installed = |wanted| self.roles().filter_map(of_role).any(|enforcer| enforcer == wanted);
        let is_k3s = || self.nodes().any(|node| node.kubelet.as_ref().is_some_and(|v| v.contains("+k3s")));
        match [Enforcer::Calico, Enforcer::Cilium, Enforcer::KubeRouter].into_iter().find(|e| installed(*e)) {
            Some(enforcer) => enforcer,
            None if is_k3s() => Enforcer::KubeRouter,
            None => Enforcer::Spec,
        }
    }

    /// Returns the DNS cache on the nodes, with every address that one of its pods or its template names.
    pub(super) fn local_dns(&self) -> Option<LocalDns> {
        let caches = self.roles().filter_map(|role| match role {
            Role::LocalDns(cache) => Some(cache),
            Role::Enforcer(_) => None,
        });
        caches.fold(None, |found: Option<LocalDns>, cache| {
            let mut found = found.unwrap_or_default();
            let new = cache.ips.iter().filter(|ip| !found.ips.contains(ip)).copied().collect::<Vec<_>>();
            found.ips.extend(new);
            Some(found)
        })
    }

    fn roles(&self) -> impl Iterator<Item = &Role> {
        let of_pods = self.pods().filter_map(|body| body.role.as_ref());
        of_pods.chain(self.templates().filter_map(|body| body.role.as_ref()))
    }
}
