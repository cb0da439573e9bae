//! Filters of the tail. Those that are used most are decided without parsing JSON.

use std::str::FromStr;

use arcstr::ArcStr;
use flow_model::flow::Outcome;
use flow_model::object_ref::ObjectRef;
use flow_model::record::{Endpoint, Event, FlowRecord, Kind, PolicyChange};
use jiff::Timestamp;

use crate::filter::FlowFilter;

/// The part of a record that filters use, kept beside each line.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) time: Timestamp,
    pub(super) kind: Kind,
    outcome: Option<Outcome>,
    /// It stands for several attempts.
    pub(super) is_merged: bool,
    sides: [Names; 2],
    /// It concerns every namespace.
    everywhere: bool,
}

#[derive(Debug, Default)]
struct Names {
    namespace: Option<ArcStr>,
    pod: Option<ArcStr>,
    service: Option<ObjectRef>,
}

/// Selects records. Different criteria must all match; of several values for one, any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The namespaces of either side.
    pub namespaces: Vec<String>,
    /// The pods of either side.
    pub pods: Vec<PodName>,
    pub kinds: Vec<Kind>,
    /// Only attempts have one.
    pub outcomes: Vec<Outcome>,
    /// The filters that findings have, too. They read the line.
    pub flow: FlowFilter,
    /// The time of the earliest records that are selected.
    pub since: Option<Timestamp>,
}

/// `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    pub namespace: String,
    pub name: String,
}

impl FromStr for PodName {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(format!("`{s}` is not NAMESPACE/NAME")),
        }
    }
}

impl std::fmt::Display for PodName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Meta {
    pub(super) fn of(record: &FlowRecord) -> Self {
        let (outcome, count) = match &record.event {
            Event::Attempt(attempt) => (Some(attempt.outcome), attempt.count),
            _ => (None, 1),
        };
        let sides = match (&record.event, record.event.endpoints()) {
            (_, Some((src, dst))) => [Names::of(src), Names::of(dst)],
            (Event::PolicyChange(change), _) => [Names::of_change(change), Names::default()],
            _ => Default::default(),
        };
        let everywhere =
            matches!(&record.event, Event::PolicyChange(change) if change.own_namespace().is_none());
        let (time, kind, is_merged) = (record.time, record.event.kind(), count > 1);
        Self { time, kind, outcome, is_merged, sides, everywhere }
    }
}

impl Names {
    fn of(endpoint: &Endpoint) -> Self {
        Self {
            namespace: endpoint.namespace.clone(),
            pod: endpoint.pod.clone(),
            service: endpoint.service.clone(),
        }
    }

    fn of_change(change: &PolicyChange) -> Self {
        let pod = (change.object == "Pod").then(|| change.name.clone());
        Self { namespace: change.own_namespace().cloned(), pod, service: None }
    }

    fn in_namespace(&self, wanted: &str) -> bool {
        self.namespace.as_deref() == Some(wanted)
            || self.service.as_ref().is_some_and(|service| service.namespace == wanted)
    }

    fn is_pod(&self, wanted: &PodName) -> bool {
        self.namespace.as_deref() == Some(&wanted.namespace) && self.pod.as_deref() == Some(&wanted.name)
    }
}

impl Filter {
    /// Is true when records of this kind may match.
    pub(super) fn selects(&self, kind: Kind) -> bool {
        any(&self.kinds, |wanted| *wanted == kind)
    }

    /// Is true when established attempts may match.
    pub(super) fn selects_established(&self) -> bool {
        self.selects(Kind::Attempt) && any(&self.outcomes, |outcome| *outcome == Outcome::Established)
    }

    /// Is true when all filters but those of `flow` let the record pass.
    pub(super) fn matches(&self, meta: &Meta) -> bool {
        if self.since.is_some_and(|since| meta.time < since) || !self.selects(meta.kind) {
            return false;
        }
        // What was lost may have matched anything else.
        meta.kind == Kind::Lost
            || any(&self.outcomes, |outcome| Some(*outcome) == meta.outcome)
                && (meta.everywhere
                    || any(&self.namespaces, |ns| meta.sides.iter().any(|side| side.in_namespace(ns))))
                && any(&self.pods, |pod| meta.sides.iter().any(|side| side.is_pod(pod)))
    }

    /// Is true when the criteria on names match; for answers that have endpoints rather than records.
    #[must_use]
    pub fn matches_endpoints(&self, src: &Endpoint, dst: &Endpoint) -> bool {
        let sides = [Names::of(src), Names::of(dst)];
        any(&self.namespaces, |ns| sides.iter().any(|side| side.in_namespace(ns)))
            && any(&self.pods, |pod| sides.iter().any(|side| side.is_pod(pod)))
    }
}

/// No value given means no restriction.
fn any<T>(values: &[T], test: impl Fn(&T) -> bool) -> bool {
    values.is_empty() || values.iter().any(test)
}
