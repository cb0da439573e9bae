//! What the agent can't see now, and why.

use std::collections::BTreeMap;

use flow_model::blind_spot::BlindSpot;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One blind spot, as `/readyz` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blind {
    pub reason: BlindSpot,
    /// The interface or the part of the agent that it is about.
    pub place: String,
    /// What can't be seen there, and what mends it.
    pub why: String,
}

/// The known blind spots.
#[derive(Debug, Default)]
pub struct Sight(Mutex<BTreeMap<(BlindSpot, String), String>>);

impl Sight {
    /// Records a blind spot; `None` when the place can be seen again. Returns the number of places with this reason.
    pub fn set(&self, reason: BlindSpot, place: &str, why: Option<String>) -> usize {
        let mut blind = self.0.lock();
        let key = (reason, place.to_owned());
        match why {
            Some(why) => drop(blind.insert(key, why)),
            None => drop(blind.remove(&key)),
        }
        blind.keys().filter(|(other, _)| *other == reason).count()
    }

    /// Returns all of them, sorted by reason and place.
    #[must_use]
    pub fn list(&self) -> Vec<Blind> {
        let blind = self.0.lock();
        let one = |((reason, place), why): (&(BlindSpot, String), &String)| Blind {
            reason: *reason,
            place: place.clone(),
            why: why.clone(),
        };
        blind.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests;
