//! Hints on rules that admit more than their authors may have meant.

use flow_model::connection::{Connection, Who};
use flow_model::policies::{Direction, Peer};

use crate::plain::{Basis, Match, Plain, RuleRef, View};

impl Plain {
    /// Returns what may surprise about a connection that is allowed.
    #[must_use]
    pub fn surprises(&self, leaving: &Connection<'_>, arriving: &Connection<'_>) -> Vec<String> {
        let views = [self.view(arriving, Direction::Ingress), self.view(leaving, Direction::Egress)];
        views.iter().flat_map(|view| self.surprises_of(view)).collect()
    }

    fn surprises_of(&self, view: &View<'_>) -> Vec<String> {
        let judgement = self.direction(view);
        let Basis::Rules(rules) = &judgement.basis else { return Vec::new() };
        let mut found: Vec<_> =
            rules.iter().filter_map(|rule| self.split_entry(*rule, view)).take(1).collect();
        if let Some(ip) = view.peer.ip {
            let excepted = judgement.selecting.iter().flat_map(|policy| RuleRef::all(policy, view.direction));
            let hole = excepted
                .filter_map(|rule| rule.body(view.direction))
                .flat_map(|body| &body.peers)
                .find_map(|peer| {
                    let Peer::Block { cidr, except } = peer else { return None };
                    except.iter().find(|hole| cidr.contains(&ip) && hole.contains(&ip))
                });
            found.extend(hole.map(|hole| {
                format!("`except: {hole}` takes {ip} only from its own ipBlock; another entry admits it")
            }));
        }
        found
    }

    /// Finds a namespaceSelector that admits alone, beside a podSelector that was most likely meant to go with it.
    fn split_entry(&self, rule: RuleRef<'_>, view: &View<'_>) -> Option<String> {
        let Who::Pod(pod) = view.peer.who else { return None };
        let body = rule.body(view.direction)?;
        let admits = |peer: &Peer| self.peer(peer, &rule.policy.namespace, &view.peer) == Match::Yes;
        let by_namespace = body.peers.iter().any(|peer| {
            matches!(peer, Peer::Pods { namespaces: Some(selector), pods: None } if !selector.requirements.is_empty())
                && admits(peer)
        });
        let beside = body.peers.iter().find_map(|peer| match peer {
            Peer::Pods { namespaces: None, pods: Some(selector) } if !selector.matches(&pod.labels) => {
                Some(selector)
            }
            _ => None,
        })?;
        let alone = body.peers.iter().filter(|peer| admits(peer)).count() == 1;
        (by_namespace && alone).then(|| {
            format!(
                "in {}#{}[{}] the namespaceSelector and podSelector {beside} are two entries, of which either admits; in one entry both must match",
                rule.policy.object_ref(),
                view.direction.as_str(),
                rule.index
            )
        })
    }
}
