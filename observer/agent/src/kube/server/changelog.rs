//! Log lines about kinds that are not followed, and that are followed again.

use std::collections::{BTreeMap, HashMap};

use arcstr::ArcStr;
use flow_objects::resource::Resource;

use crate::kube::server::state::{Stale, Sync};

/// The states as they were logged last.
#[derive(Debug, Default)]
pub(super) struct Changelog {
    logged: BTreeMap<Resource, Sync>,
}

impl Changelog {
    /// Logs one line for kinds that became stale, and one when they are followed again.
    pub(super) fn log(&mut self, states: &BTreeMap<Resource, Sync>) {
        let mut stale: HashMap<&ArcStr, Vec<&str>> = HashMap::new();
        let (mut recovered, mut absent) = (Vec::new(), Vec::new());
        for (kind, sync) in states {
            let before = self.logged.get(kind);
            match sync {
                Sync::Stale(now) if self.is_news(before, now) => {
                    stale.entry(&now.why).or_default().push(kind.name());
                }
                Sync::Synced if before.is_some_and(|before| *before != Sync::Synced) => {
                    recovered.push(kind.name());
                }
                Sync::Absent if before == Some(&Sync::Synced) => absent.push(kind.name()),
                _ => {}
            }
        }
        for (why, kinds) in stale {
            let kinds = kinds.join(", ");
            tracing::warn!("the API server can't be followed; what is known of {kinds} stays: {why}");
        }
        if !recovered.is_empty() {
            tracing::info!("the API server is followed again: {}", recovered.join(", "));
        }
        if !absent.is_empty() {
            tracing::info!("the API server no longer has {}", absent.join(", "));
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
