//! The findings about what is wrong with one VIP now.

use std::net::IpAddr;

use flow_model::finding::{Cause, FindingKind, Severity};
use flow_model::object_ref::ObjectRef;
use flow_model::record::Endpoint;
use jiff::Timestamp;

use crate::detected::{Detected, Raised};
use crate::subject::Subject;
use crate::vips::config::VipConfig;
use crate::vips::conflict::Conflict;
use crate::vips::flap::Flap;
use crate::vips::owners::Owners;
use crate::vips::text;
use crate::vips::wire::within;

/// Holds what the findings of one VIP depend on beyond the present.
#[derive(Debug, Default)]
pub(super) struct Ongoing {
    flap: Option<Flapping>,
    /// The newest conflict. While the address moves, its sources may agree for a moment, so it outlasts that.
    conflict: Option<Raised>,
}

/// Holds what is known of a flap since it began.
#[derive(Debug)]
struct Flapping {
    /// Moves of the VIP before.
    after: u64,
    /// The cause, once it is known. The object that did not follow may be updated, and caused the flap all the same.
    cause: Option<String>,
}

/// Names the VIP in its findings.
pub(super) struct About<'a> {
    pub(super) ip: IpAddr,
    pub(super) services: &'a [ObjectRef],
    /// The VIP as a destination.
    pub(super) dst: &'a Endpoint,
    pub(super) config: &'a VipConfig,
    pub(super) now: Timestamp,
}

impl Ongoing {
    /// Adds the flap that there is now, or why there is none any more. `total` is the number of all moves, and `cause`
    /// what may have brought the flap about.
    pub(super) fn flap(
        &mut self,
        about: &About<'_>,
        flap: Option<&Flap<'_>>,
        (total, cause): (u64, Option<String>),
        owners: &Owners,
        out: &mut Detected,
    ) {
        let &About { ip, config, .. } = about;
        let Some(flap) = flap else {
            if self.flap.take().is_some() {
                let window = text::span(config.flap_window);
                let because = format!("fewer than {} moves in {window}", config.flap_moves);
                out.end(FindingKind::VipFlap, Subject::Vip(ip), because);
            }
            return;
        };
        let seen = u64::try_from(flap.moves.len()).unwrap_or(u64::MAX);
        let known = self.flap.get_or_insert(Flapping { after: total.saturating_sub(seen), cause: None });
        known.cause = known.cause.take().or(cause);
        out.raised.push(Raised {
            summary: flap.summary(ip, about.services, config),
            nodes: flap.nodes(owners).into_iter().collect(),
            cause: known.cause.clone().map(Cause::from),
            evidence: flap.evidence(),
            count: total.saturating_sub(known.after),
            ..about.raised(FindingKind::VipFlap, Severity::Warning)
        });
    }

    /// Adds the conflict that there is now, or was until a moment ago, or why there is none any more.
    pub(super) fn conflict(&mut self, about: &About<'_>, conflict: Option<Conflict>, out: &mut Detected) {
        let &About { ip, config, now, .. } = about;
        if let Some(conflict) = conflict {
            self.conflict = Some(Raised {
                summary: conflict.summary(ip, about.services),
                count: u64::try_from(conflict.evidence.len()).unwrap_or(u64::MAX),
                evidence: conflict.evidence,
                nodes: conflict.nodes.into_iter().collect(),
                ..about.raised(FindingKind::VipConflict, conflict.severity)
            });
        }
        let ended = self.conflict.take_if(|conflict| !within(now, conflict.last_seen, config.settle));
        if ended.is_some() {
            let because = "the announcers contradict each other no more";
            out.end(FindingKind::VipConflict, Subject::Vip(ip), because);
        }
        out.raised.extend(self.conflict.clone());
    }

    /// Returns the kinds of findings that are raised.
    pub(super) fn kinds(&self) -> impl Iterator<Item = FindingKind> {
        let flap = self.flap.as_ref().map(|_| FindingKind::VipFlap);
        let conflict = self.conflict.as_ref().map(|_| FindingKind::VipConflict);
        flap.into_iter().chain(conflict)
    }
}

impl About<'_> {
    fn raised(&self, kind: FindingKind, severity: Severity) -> Raised {
        Raised {
            kind,
            subject: Subject::Vip(self.ip),
            last_seen: self.now,
            severity,
            summary: String::new(),
            src: None,
            dst: Some(self.dst.clone()),
            vip: Some(arcstr::format!("{}", self.ip)),
            policies: Vec::new(),
            nodes: Vec::new(),
            cause: None,
            evidence: Vec::new(),
            count: 0,
        }
    }
}
