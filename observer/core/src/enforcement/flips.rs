//! The change of policies that decides about an attempt, remembered for the next attempt of the same two sides.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use flow_identity::{Identity, Resolved};
use flow_model::decision::Decision;
use flow_model::flow::FlowTuple;
use flow_policy::history::History;
use jiff::Timestamp;
use lru::LruCache;

use crate::enforcement::HORIZON;

/// Most answers kept, as many as explanations of verdicts.
const MAX_ANSWERS: NonZeroUsize = NonZeroUsize::new(4_096).unwrap();
/// Most answers looked for between two ticks. Each judges the connection again for every change that it undoes. Beyond it
/// attempts measure nothing; whether a contradiction may be lag follows from the newest change alone.
const LOOKS: u32 = 32;

/// Answers since when the policies decide about a connection as they do.
#[derive(Debug)]
pub(crate) struct Flips {
    answers: LruCache<Asked, Option<Timestamp>>,
    left: u32,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    src: IpAddr,
    dst: (IpAddr, u16),
    /// Another pod may have had the address at another time.
    listed: [Option<Timestamp>; 2],
    decision: Decision,
}

impl Flips {
    pub(crate) fn new() -> Self {
        Self { answers: LruCache::new(MAX_ANSWERS), left: LOOKS }
    }

    /// Forgets all answers. To be called with each snapshot.
    pub(crate) fn clear(&mut self) {
        self.answers.clear();
    }

    /// Allows new answers.
    pub(crate) fn tick(&mut self) {
        self.left = LOOKS;
    }

    /// Is true when the policies came to this decision on an attempt after it met them, as far as is known.
    pub(crate) fn is_newer(
        &mut self,
        (identity, history): (&Identity, &History),
        resolved: &Resolved<'_>,
        decision: Decision,
        met: Timestamp,
    ) -> bool {
        if history.last_relevant_change().is_none_or(|change| change <= met) {
            return false;
        }
        let Some(left) = self.left.checked_sub(1) else { return true };
        self.left = left;
        // Where no backend was seen, any tells: all of them are decided about alike.
        let possible = resolved.possible();
        possible.passages().next().is_some_and(|first| {
            history.decided_at(identity.inventory(), &first.arriving, decision, met).is_some()
        })
    }

    /// Returns when the change was seen by which the policies came to this decision on an attempt, if it was within
    /// [`HORIZON`] before `met`.
    pub(crate) fn of(
        &mut self,
        (identity, history): (&Identity, &History),
        (tuple, resolved): (&FlowTuple, &Resolved<'_>),
        decision: Decision,
        met: Timestamp,
    ) -> Option<Timestamp> {
        let since = met.checked_sub(HORIZON).ok()?;
        history.last_relevant_change().filter(|change| *change >= since)?;
        let dst = tuple.backend.unwrap_or((tuple.dst, tuple.dport));
        let listed = [resolved.client_listed(), resolved.server_listed()];
        let asked = Asked { src: tuple.src, dst, listed, decision };
        if let Some(answer) = self.answers.get(&asked) {
            return *answer;
        }
        self.left = self.left.checked_sub(1)?;
        let answer = history.decided_at(identity.inventory(), &resolved.connection(), decision, since);
        self.answers.put(asked, answer);
        answer
    }
}
