//! Names of Kubernetes objects.

use std::cmp::Ordering;
use std::convert::Infallible;
use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::names::text_schema;

/// The name of an object whose kind is known from the context. Its text, also in JSON, is `namespace/name`, or the name
/// alone for an object without a namespace. They are ordered as this text is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
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

    /// Returns the bytes of the text.
    fn bytes(&self) -> impl Iterator<Item = u8> {
        let slash = (!self.namespace.is_empty()).then_some(b'/');
        self.namespace.bytes().chain(slash).chain(self.name.bytes())
    }
}

impl Ord for ObjectRef {
    fn cmp(&self, other: &Self) -> Ordering {
        // Names with a slash could give two objects one text.
        self.bytes().cmp(other.bytes()).then_with(|| self.namespace.cmp(&other.namespace))
    }
}

impl PartialOrd for ObjectRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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

text_schema!(ObjectRef);

/// Compares with the text, for tests.
#[cfg(any(test, feature = "testing"))]
impl PartialEq<&str> for ObjectRef {
    fn eq(&self, text: &&str) -> bool {
        self.to_string() == **text
    }
}

#[cfg(test)]
mod tests;
