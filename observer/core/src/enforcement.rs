//! How long enforcement lags behind the API on this node, and what that explains.
//!
//! A pod that has just got its address, or a policy that has just changed, is enforced a moment later. This module
//! measures that moment from what attempts meet, and tells for an attempt that contradicts its verdict whether it is
//! within the usual lag. Nothing is assumed: a change that no attempt proves enforced is not measured.
//!
//! State is bounded: `Watches` has the newest changes of the last ten minutes, `Usual` the newest measurements, and
//! `Flips` answers that hold until the next snapshot.

mod flips;
mod usual;
mod watches;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use flow_model::record::{EnforcementLag, LagSince};
use jiff::{SignedDuration, Timestamp};

use self::usual::Usual;
use self::watches::{Key, Watches};
use crate::agreement::Agreement;

pub(super) use self::flips::Flips;

/// A change is measured for this long: the largest finite bucket of the histogram. What still contradicts it then is a
/// finding for long.
pub(super) const HORIZON: SignedDuration = SignedDuration::from_mins(10);
/// Most changes of policies measured at once. Those of one snapshot are one change.
const MAX_CHANGES: usize = 64;
/// Most pods measured at once. A kubelet runs 110 by default; peers on other nodes are measured too.
const MAX_PODS: usize = 512;

/// Sets how long enforcement may lag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnforcementConfig {
    /// The longest time that enforcement may lag behind a new pod or a changed policy, whatever was measured. Until enough
    /// was measured, this is the usual lag.
    pub grace: SignedDuration,
}

impl Default for EnforcementConfig {
    fn default() -> Self {
        Self { grace: SignedDuration::from_secs(15) }
    }
}

/// Measures the lag of enforcement on one node.
#[derive(Debug)]
pub(super) struct Enforcement {
    grace: SignedDuration,
    pods: Watches,
    policies: Watches,
    usual_of_pods: Usual,
    usual_of_policies: Usual,
    /// The usual lags that were reported last, of pods and policies.
    reported: [Option<SignedDuration>; 2],
}

/// A change after which enforcement may lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) since: LagSince,
    pub(super) at: Timestamp,
    /// The change as it is measured; `None` for one that only explains: it is not known to have changed the verdict, or
    /// the agent did not see it happen.
    pub(super) measured: Option<Measured>,
}

/// What can be measured of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Measured {
    /// The pod's address, of a new pod.
    pub(super) address: Option<IpAddr>,
    /// One attempt that agrees with the verdict proves that the change is enforced. Otherwise it could have ended in the
    /// same way before the change, and proves something only after one that contradicted the verdict.
    pub(super) proves: bool,
}

/// An attempt, as far as it concerns enforcement.
#[derive(Clone, Debug)]
pub(super) struct Tried {
    /// The time of its end.
    pub(super) time: Timestamp,
    /// The time at which its last SYN met the firewall.
    pub(super) met: Timestamp,
    pub(super) agreement: Agreement,
    /// The changes that may explain it: the starts of both pods, the change of policies that decides about it, and the
    /// newest change of policies.
    pub(super) changes: [Option<Change>; 4],
    /// The policies that decide about it are enforced on this node, as far as is known.
    pub(super) here: bool,
}

/// What recent changes make of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// It proves no contradiction and no failure yet.
    pub(super) settling: bool,
    /// The change that enforcement lags behind, if it contradicts the verdict for that reason.
    pub(super) lag: Option<EnforcementLag>,
}

/// A measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) since: LagSince,
    pub(super) lag: SignedDuration,
}

impl Enforcement {
    pub(super) fn new(config: &EnforcementConfig) -> Self {
        Self {
            grace: config.grace,
            pods: Watches::new(MAX_PODS),
            policies: Watches::new(MAX_CHANGES),
            usual_of_pods: Usual::default(),
            usual_of_policies: Usual::default(),
            reported: [None; 2],
        }
    }

    /// Takes an attempt, and returns what recent changes make of it.
    pub(super) fn attempt(&mut self, tried: &Tried) -> Standing {
        self.measure(tried);
        if !matches!(tried.agreement, Agreement::Contradicts | Agreement::MayContradict) {
            return Standing::default();
        }
        let near = || tried.changes.iter().flatten().filter(|change| self.is_near(change, tried));
        let begun = near().filter(|change| change.at <= tried.met);
        // A change that is known to concern the attempt explains it better than one that is only near.
        let latest = begun.max_by_key(|change| (change.measured.is_some(), change.at));
        let lag = latest.filter(|_| tried.agreement == Agreement::Contradicts).map(|change| EnforcementLag {
            since: change.since,
            age_us: micros(tried.met.duration_since(change.at)),
        });
        Standing { settling: near().next().is_some(), lag }
    }

    /// Lets time pass, and returns the measurements that are complete.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Lag> {
        let mut lags = Vec::new();
        let kinds = [
            (LagSince::Pod, &mut self.pods, &mut self.usual_of_pods),
            (LagSince::Policy, &mut self.policies, &mut self.usual_of_policies),
        ];
        for (since, watches, usual) in kinds {
            for sample in watches.tick(now) {
                usual.add(sample.at_most);
                lags.push(Lag { since, lag: sample.lag });
            }
        }
        lags
    }

    /// Returns the usual lags that differ from what was returned before.
    pub(super) fn take_usual(&mut self) -> Vec<(LagSince, SignedDuration)> {
        let now = [LagSince::Pod, LagSince::Policy].map(|since| (since, self.usual(since)));
        let reported = std::mem::replace(&mut self.reported, now.map(|(_, usual)| Some(usual)));
        now.into_iter()
            .zip(reported)
            .filter(|((_, usual), last)| Some(*usual) != *last)
            .map(|(now, _)| now)
            .collect()
    }

    /// Returns the time after such a change in which a contradiction is taken as lag.
    pub(super) fn usual(&self, since: LagSince) -> SignedDuration {
        match since {
            LagSince::Pod => self.usual_of_pods.lag(self.grace),
            LagSince::Policy => self.usual_of_policies.lag(self.grace),
        }
    }

    /// Measures by the newest of the changes that concern the attempt: an older one is not what it waits for.
    fn measure(&mut self, tried: &Tried) {
        let measured = tried.changes.iter().flatten().filter_map(|change| Some((change, change.measured?)));
        let Some((change, of)) = measured.max_by_key(|(change, _)| change.at) else { return };
        let age = tried.met.duration_since(change.at);
        if age.is_negative() || age > HORIZON {
            return;
        }
        let watches = match change.since {
            LagSince::Pod => &mut self.pods,
            LagSince::Policy => &mut self.policies,
        };
        let key = Key { at: change.at, address: of.address };
        match tried.agreement {
            Agreement::Contradicts if tried.here => watches.contradicted(key, tried.met),
            Agreement::Refused | Agreement::Passed if of.proves && tried.here => {
                watches.agreed(key, tried.met);
            }
            Agreement::Refused | Agreement::Passed | Agreement::MayAgree => {
                watches.agreed_again(key, tried.met);
            }
            Agreement::Contradicts | Agreement::MayContradict | Agreement::Nothing => {}
        }
    }

    /// Is true where the change is near enough to explain a contradiction. One that the agent learnt of after the attempt
    /// does as well: the attempt met what was enforced before it, and is judged by what holds now.
    fn is_near(&self, change: &Change, tried: &Tried) -> bool {
        // Silence is reported seconds after the last SYN, and no later than other contradictions.
        let reported_soon = tried.time.duration_since(change.at).abs() <= self.grace;
        let age = tried.met.duration_since(change.at);
        // A pod's own start is before it gets its address, which lags are measured from.
        let is_start = change.since == LagSince::Pod && change.measured.is_none();
        let limit = if age.is_negative() || is_start { self.grace } else { self.usual(change.since) };
        reported_soon && age.abs() <= limit
    }
}

fn micros(age: SignedDuration) -> u64 {
    u64::try_from(age.as_micros()).unwrap_or(0)
}
