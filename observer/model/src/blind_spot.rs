//! What the agent knows that it can't see.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray, VariantNames};

use crate::names::as_str;

/// The reason of a blind spot: the `reason` label of `blind_spots`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum BlindSpot {
    /// The kernel refused a program on an interface. The agent tries again.
    AttachFailed,
    /// Another qdisc has the place of clsact on an interface, so that nothing can be attached there.
    PlaceTaken,
    /// Another program runs before the agent's on an interface, and may hide packets from it.
    InFront,
    /// No interface leads to other machines, as far as is known: only traffic between pods here is seen.
    NoUplink,
    /// The drop probe is not attached.
    NoDrops,
    /// The kernel's counters can't be read.
    Counters,
}

as_str!(BlindSpot);
