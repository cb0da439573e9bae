//! Names of rules in policies.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::text_schema;
use crate::object_ref::ObjectRef;
use crate::policies::{Direction, TierKind};

/// A rule of a policy. Its text, also in JSON, is `namespace/name#ingress[0]`, with the kind before it for a policy of
/// the whole cluster: `AdminNetworkPolicy name#egress[1]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleRef {
    /// The kind of a tiered policy; `None` for a NetworkPolicy.
    pub kind: Option<TierKind>,
    pub policy: ObjectRef,
    pub direction: Direction,
    /// Counted from 0, in the order of the manifest.
    pub index: usize,
}

impl Display for RuleRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(kind) = &self.kind {
            write!(f, "{kind} ")?;
        }
        write!(f, "{}#{}[{}]", self.policy, self.direction, self.index)
    }
}

/// The error for a text that is not a [`RuleRef`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a rule is written namespace/name#ingress[0]")]
pub struct NotARule;

impl FromStr for RuleRef {
    type Err = NotARule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (policy, rule) = text.split_once('#').ok_or(NotARule)?;
        let (direction, index) =
            rule.strip_suffix(']').and_then(|rule| rule.split_once('[')).ok_or(NotARule)?;
        let direction = direction.parse().map_err(|_| NotARule)?;
        let (kind, policy) = match policy.split_once(' ') {
            Some((kind, policy)) => (Some(kind.parse().map_err(|_| NotARule)?), policy),
            None => (None, policy),
        };
        Ok(Self { kind, policy: policy.into(), direction, index: index.parse().map_err(|_| NotARule)? })
    }
}

impl Serialize for RuleRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RuleRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

text_schema!(RuleRef);

/// Compares with the text, for tests.
#[cfg(any(test, feature = "testing"))]
impl PartialEq<&str> for RuleRef {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

#[cfg(test)]
mod tests;
