//! Verdicts: what the policies decide about a connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray, VariantNames};

use crate::names::{as_str, unknown_name};
use crate::object_ref::ObjectRef;
use crate::policies::Direction;
use crate::rule_ref::RuleRef;

as_str!(Decision);

/// The text with which each explanation of a deny begins, for those who write one and for
/// [`FlowVerdict::refuser`](crate::record::FlowVerdict::refuser).
pub const REFUSED_BY: &str = "refused by ";

/// The decision of the policies. It is never a guess: what can't be judged is `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[derive(Display, IntoStaticStr, VariantArray, VariantNames, EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown_name::<Self>)]
pub enum Decision {
    Allow,
    Deny,
    Unknown,
}

/// The decisions without their reasons. The hot path computes only these, and both evaluators agree on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ruling {
    /// The decision at the destination.
    pub ingress: Decision,
    /// The decision at the source.
    pub egress: Decision,
}

/// The decisions with their reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub decision: Decision,
    pub ingress: DirectionVerdict,
    pub egress: DirectionVerdict,
    /// A sentence without the names of the two sides: "refused by NetworkPolicy data/cache-ingress; no rule admits
    /// namespace web; the nearest admits namespace batch".
    pub explanation: String,
}

/// The decision of one direction with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionVerdict {
    pub decision: Decision,
    /// Policies that select the pod in this direction: `namespace/name`, or only the name of a policy for the whole
    /// cluster.
    pub policies: Vec<ObjectRef>,
    /// Rules that decide, such as `namespace/name#ingress[0]`. On allow they are those that allow; when a policy for
    /// the whole cluster denies, it is the rule that denies.
    pub rules: Vec<RuleRef>,
    /// On deny, the rule that comes closest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest: Option<Nearest>,
    /// A sentence about this direction.
    pub explanation: String,
}

/// A rule that almost matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nearest {
    /// `namespace/name`.
    pub policy: ObjectRef,
    /// `namespace/name#ingress[0]`.
    pub rule: RuleRef,
    /// The reason why it does not match: "admits namespaces with kubernetes.io/metadata.name=pal-e-app; the client's
    /// namespace is pal-e-docs".
    pub why: String,
}

impl Ruling {
    /// Returns the decision of both directions together. A deny is final; without one, an unknown makes both unknown.
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
    /// Returns the decisions without their reasons.
    #[must_use]
    pub fn ruling(&self) -> Ruling {
        Ruling { ingress: self.ingress.decision, egress: self.egress.decision }
    }

    /// Returns the direction that denies; ingress where both do.
    #[must_use]
    pub fn denied_in(&self) -> Option<Direction> {
        match (self.ingress.decision, self.egress.decision) {
            (Decision::Deny, _) => Some(Direction::Ingress),
            (_, Decision::Deny) => Some(Direction::Egress),
            _ => None,
        }
    }
}
