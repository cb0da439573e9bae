//! What the policies say.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::unknown_name;
use crate::object_ref::{ObjectRef, RuleRef};

/// Allow, deny, or not known: never a guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Decision {
    Allow,
    Deny,
    Unknown,
}

impl Decision {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    /// Returns the name that JSON, filters and metric labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The decisions alone: what the hot path computes, and what both evaluators agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// At the destination.
    pub ingress: Decision,
    /// At the source.
    pub egress: Decision,
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    pub ingress: DirectionVerdict,
    pub egress: DirectionVerdict,
    /// One sentence, without the names of the two sides: "refused by NetworkPolicy data/cache-ingress; no rule admits
    /// namespace web; the nearest admits namespace batch".
    pub explanation: String,
}

/// The answer of one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectionVerdict {
    pub decision: Decision,
    /// Policies that select the pod in this direction: `namespace/name`, or the name alone of a tiered one.
    pub policies: Vec<ObjectRef>,
    /// Rules that decide: on allow those that allow, `namespace/name#ingress[0]`; on a tiered policy's deny the one
    /// that denies.
    pub rules: Vec<RuleRef>,
    /// On deny, the rule that comes closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// In words, for this direction alone.
    pub explanation: String,
}

/// A rule that almost matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nearest {
    /// `namespace/name`.
    pub policy: ObjectRef,
    /// `namespace/name#ingress[0]`.
    pub rule: RuleRef,
    /// What kept it from matching: "admits namespaces with kubernetes.io/metadata.name=pal-e-app; the client's namespace
    /// is pal-e-docs".
    pub why: String,
}

impl Ruling {
    /// Both directions together: a deny is final, then what isn't known.
    #[must_use]
    pub fn decision(self) -> Decision {
        match (self.ingress, self.egress) {
            (Decision::Deny, _) | (_, Decision::Deny) => Decision::Deny,
            (Decision::Unknown, _) | (_, Decision::Unknown) => Decision::Unknown,
            (Decision::Allow, Decision::Allow) => Decision::Allow,
        }
    }
}

impl Verdict {
    /// The decisions alone.
    #[must_use]
    pub fn ruling(&self) -> Ruling {
        Ruling { ingress: self.ingress.decision, egress: self.egress.decision }
    }

    /// The direction that denies; ingress where both do.
    #[must_use]
    pub fn denied_in(&self) -> Option<Direction> {
        match (self.ingress.decision, self.egress.decision) {
            (Decision::Deny, _) => Some(Direction::Ingress),
            (_, Decision::Deny) => Some(Direction::Egress),
            _ => None,
        }
    }
}
