//! Names of Kubernetes objects and of rules in policies.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use arcstr::ArcStr;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decision::Direction;
use crate::policies::TierKind;

/// The name of an object whose kind is known from the context. Its text, also in JSON, is `namespace/name`, or the name
/// alone for an object without a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Empty for an object that is in no namespace.
    pub namespace: ArcStr,
    pub name: ArcStr,
}

impl ObjectRef {
    /// Returns the name of an object in a namespace.
    #[must_use]
    pub fn new(namespace: impl Into<ArcStr>, name: impl Into<ArcStr>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Returns the name of an object that is in no namespace.
    #[must_use]
    pub fn cluster_scoped(name: impl Into<ArcStr>) -> Self {
        Self { namespace: ArcStr::new(), name: name.into() }
    }

    /// Is true when this is the object of that namespace and name.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

impl Display for ObjectRef {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.namespace.is_empty() {
            true => f.write_str(&self.name),
            false => write!(f, "{}/{}", self.namespace, self.name),
        }
    }
}

impl From<&str> for ObjectRef {
    fn from(text: &str) -> Self {
        match text.split_once('/') {
            Some((namespace, name)) => Self::new(namespace, name),
            None => Self::cluster_scoped(text),
        }
    }
}

impl FromStr for ObjectRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl Serialize for ObjectRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.as_str().into())
    }
}

/// Returns the names as a list in a sentence: `a/b, c/d`.
#[must_use]
pub fn joined(objects: &[ObjectRef]) -> String {
    objects.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One rule of a policy. Its text, also in JSON, is `namespace/name#ingress[0]`, with the kind before it for a policy
/// of the whole cluster: `AdminNetworkPolicy name#egress[1]`.
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

/// In JSON both are plain strings.
macro_rules! text_schema {
    ($($type:ident),*) => {$(
        impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                String::json_schema(generator)
            }
        }
    )*};
}

text_schema!(ObjectRef, RuleRef);

/// Compares with the text, for tests.
#[cfg(any(test, feature = "testing"))]
impl PartialEq<&str> for ObjectRef {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

/// Compares with the text, for tests.
#[cfg(any(test, feature = "testing"))]
impl PartialEq<&str> for RuleRef {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_as_text_and_back() {
        for (text, namespace, name) in [("data/db", "data", "db"), ("admins-first", "", "admins-first")] {
            let object = ObjectRef::from(text);
            assert_eq!((&*object.namespace, &*object.name), (namespace, name));
            assert_eq!(object.to_string(), text);
            assert_eq!(serde_json::to_value(&object).unwrap(), text);
            assert_eq!(serde_json::from_value::<ObjectRef>(text.into()).unwrap(), object);
        }
    }

    #[test]
    fn rules_as_text_and_back() {
        for text in ["data/db#ingress[0]", "AdminNetworkPolicy admins-first#egress[12]"] {
            let rule: RuleRef = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        for bad in [
            "",
            "data/db",
            "data/db#ingress",
            "data/db#sideways[0]",
            "data/db#ingress[x]",
            "Pod db#ingress[0]",
        ] {
            assert_eq!(bad.parse::<RuleRef>(), Err(NotARule), "{bad}");
        }
    }
}
