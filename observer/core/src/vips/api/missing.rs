//! Objects that are gone without another in their place.

use std::collections::BTreeMap;
use std::sync::Arc;

use flow_model::inventory::Announcer;
use flow_model::object_ref::ObjectRef;
use flow_model::vip::ClaimSource;
use jiff::Timestamp;

use super::ApiStatement;

/// The objects of which a Service should have one and has none any more: the last of them, and since when.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeMap<(ClaimSource, ObjectRef), (Arc<Announcer>, Timestamp)>);

impl Missing {
    /// Compares the statements before with those of now. A Service that never had such an object lacks none: its
    /// announcer may be one that writes none.
    pub(super) fn update(
        &mut self,
        before: &[ApiStatement],
        now_there: &[ApiStatement],
        services: &[ObjectRef],
        now: Timestamp,
    ) {
        for statement in before {
            let announcer = &statement.announcer;
            if let (Some(service), true) = (statement.service(), announcer.source.traits().one_per_service) {
                let key = (announcer.source, service.clone());
                self.0.entry(key).or_insert_with(|| (Arc::clone(announcer), now));
            }
        }
        // An object of another source that describes the present takes its place, e.g. after a change of the announcer.
        let is_there = |service: &ObjectRef| {
            let stands_for = |other: &ApiStatement| other.service().is_none_or(|of| of == service);
            now_there.iter().any(|other| other.is_comparable() && stands_for(other))
        };
        self.0.retain(|(_, service), _| services.contains(service) && !is_there(service));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Announcer, Timestamp)> {
        self.0.values().map(|(announcer, since)| (&**announcer, *since))
    }

    /// Takes back times that are later than now: clocks are set back.
    pub(super) fn not_after(&mut self, now: Timestamp) {
        self.0.values_mut().for_each(|(_, since)| *since = (*since).min(now));
    }
}
