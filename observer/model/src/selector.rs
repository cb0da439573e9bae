//! Label selectors: whether they match, and how people write them.

use std::fmt::{self, Display, Formatter};

use arcstr::ArcStr;

use crate::inventory::Labels;
use crate::policies::{Operator, Requirement, Selector};

/// The label that the API server sets on every namespace.
pub const METADATA_NAME: &str = "kubernetes.io/metadata.name";

impl Selector {
    /// Is true when every requirement holds.
    #[must_use]
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|requirement| requirement.admits(labels.get(&requirement.key)))
    }
}

impl Requirement {
    /// Is true when the requirement holds for an object that has this value under its key, or lacks the key.
    #[must_use]
    pub fn admits(&self, value: Option<&ArcStr>) -> bool {
        match &self.operator {
            Operator::In(values) => value.is_some_and(|value| values.contains(value)),
            Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Writes the selector as `kubectl get -l` accepts it: `app=web,tier in (a,b),!old`. An empty selector is empty.
impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}

impl Display for Requirement {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.operator {
            Operator::In(values) => match values.as_slice() {
                [value] => write!(f, "{key}={value}"),
                values => write!(f, "{key} in ({})", values.join(",")),
            },
            Operator::NotIn(values) => match values.as_slice() {
                [value] => write!(f, "{key}!={value}"),
                values => write!(f, "{key} notin ({})", values.join(",")),
            },
            Operator::Exists => write!(f, "{key}"),
            Operator::DoesNotExist => write!(f, "!{key}"),
        }
    }
}
