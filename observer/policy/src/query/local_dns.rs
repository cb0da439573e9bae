//! The DNS cache on nodes. In iptables mode it listens on the address of the cluster's DNS Service, so that nobody
//! replaces the destination there.

use std::net::IpAddr;

use flow_identity::{Behind, LocalAnswer};
use flow_model::connection::{Connection, Party, Who};
use flow_model::decision::{Decision, Verdict};
use flow_model::network::Enforcer;

use crate::query::combine::{self, Case};
use crate::query::explainer::Explainer;
use crate::query::notes;
use crate::query::route::Route;
use crate::query::side::Side;

impl Explainer {
    /// Judges a question to the cluster's DNS where a cache on the client's node may answer it. Returns `None` where none
    /// does.
    pub(super) fn judge_local_dns(
        &self,
        src: &Side<'_>,
        route: &Route<'_>,
        notes: &mut Vec<String>,
    ) -> Option<Verdict> {
        let behind = route.behind()?;
        let LocalAnswer { ip, certain } = behind.local_answer()?;
        src.pod.filter(|pod| !pod.host_network)?;
        let service = behind.service().object_ref();
        notes::add(
            notes,
            format!(
                "a node-local DNS cache {} on the client's node at {ip}, where egress rules see that address and not the pods of Service {service}",
                if certain { "answers" } else { "may answer" }
            ),
        );
        let local = self.judge_cache(src, ip, &behind);
        if certain {
            return Some(local);
        }
        let cases = vec![
            Case { label: "by the cache".to_owned(), verdict: local },
            Case { label: format!("by Service {service}"), verdict: self.judge_ends(src, route, notes) },
        ];
        combine::agree(cases, |cases| format!("it depends on who answers: {}", combine::each(cases)))
    }

    fn judge_cache(&self, src: &Side<'_>, ip: IpAddr, behind: &Behind<'_>) -> Verdict {
        if self.enforcer() == Enforcer::KubeRouter {
            return combine::allowed(
                "kube-router lets pods reach the addresses of Services on their own node",
            );
        }
        // Enforcers differ about the pod's own node, so only a rule for the address is certain.
        let as_address = Party { ip: Some(ip), who: Who::External };
        let client = Party { ip: src.ips.first().copied(), who: src.who };
        let protocol = behind.protocol();
        let verdict = self.plain().judge(&Connection {
            src: client,
            dst: as_address,
            protocol,
            port: behind.port().port,
        });
        match verdict.decision {
            Decision::Deny => combine::unknown(format!(
                "not known: no rule admits {ip}, where the cache on the pod's own node answers; enforcers differ about the own node"
            )),
            Decision::Allow | Decision::Unknown => verdict,
        }
    }
}
