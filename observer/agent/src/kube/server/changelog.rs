//! Log lines about kinds that are not followed, and that are followed again.

use std::collections::{BTreeMap, HashMap};

use arcstr::ArcStr;
use flow_objects::resource::Resource;

use crate::kube::server::state::{Stale, Sync};

/// So many kinds of policies of other projects are named one by one.
const FEW: usize = 3;

/// The states as they were logged last.
#[derive(Debug, Default)]
pub(super) struct Changelog {
    logged: BTreeMap<Resource, Sync>,
}

impl Changelog {
    /// Logs one line for kinds that became stale, and one when they are followed again.
    pub(super) fn log(&mut self, states: &BTreeMap<Resource, Sync>) {
        let mut stale: HashMap<&ArcStr, Vec<Resource>> = HashMap::new();
        let (mut recovered, mut absent) = (Vec::new(), Vec::new());
        for (kind, sync) in states {
            let before = self.logged.get(kind);
            match sync {
                Sync::Stale(now) if self.is_news(before, now) => {
                    stale.entry(&now.why).or_default().push(*kind);
                }
                Sync::Synced if before.is_some_and(|before| *before != Sync::Synced) => recovered.push(*kind),
                Sync::Absent if matches!(before, Some(Sync::Stale(_))) => recovered.push(*kind),
                Sync::Absent if before == Some(&Sync::Synced) => absent.push(*kind),
                _ => {}
            }
        }
        for (why, kinds) in stale {
            let kinds = names(&kinds);
            tracing::warn!("the API server can't be followed; what is known of {kinds} stays: {why}");
        }
        if !recovered.is_empty() {
            tracing::info!("the API server is followed again: {}", names(&recovered));
        }
        if !absent.is_empty() {
            tracing::info!("the API server no longer has {}", names(&absent));
        }
        self.logged.clone_from(states);
    }

    /// Is true for a state that must be logged. One failure may follow another, which is logged only if it won't pass by
    /// itself: a server that started again may no longer accept the agent's credentials.
    fn is_news(&self, before: Option<&Sync>, now: &Stale) -> bool {
        let refused = |sync: &Sync| matches!(sync, Sync::Stale(stale) if stale.refused);
        !matches!(before, Some(Sync::Stale(_))) || (now.refused && !self.logged.values().any(refused))
    }
}

/// A server that is down has none of the policies of other projects: they are one name then.
fn names(kinds: &[Resource]) -> String {
    let is_foreign = |kind: &&Resource| matches!(kind, Resource::Foreign(_));
    let (foreign, known): (Vec<&Resource>, Vec<&Resource>) = kinds.iter().partition(is_foreign);
    let mut names: Vec<&str> = known.into_iter().map(|kind| kind.name()).collect();
    if foreign.len() > FEW {
        names.push("policies of other projects");
    } else {
        names.extend(foreign.into_iter().map(|kind| kind.name()));
    }
    names.join(", ")
}
