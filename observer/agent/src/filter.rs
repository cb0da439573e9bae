//! Filters of flows as people think of them: from where, to where, how it was decided. `tail`, `findings` and the API share
//! them, so that a filter has one name and one meaning.
//!
//! Different filters must all match; of several values of one, any. A filter with the prefix `not_` leaves out what the
//! filter without it selects, and so keeps what lacks the field. [`Facts`] decide all of them but expressions, which read
//! the JSON.

mod criteria;
mod expression;
mod facts;
mod fields;
mod place;
mod values;

use std::sync::LazyLock;

use flow_model::finding::Finding;
use flow_model::record::{Event, FlowRecord};
use serde_json::Value;

use self::criteria::{Criteria, Criterion};
use self::expression::Expression;
use self::facts::Facts;

/// The prefix of filters that leave out what they match.
const NOT: &str = "not_";
/// The name of the filter whose value is an expression.
const EXPRESSION: &str = "filter";

/// What a filter selects from. Records and findings have different fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Record,
    Finding,
}

/// Selects records or findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowFilter {
    wanted: Criteria,
    unwanted: Criteria,
    expressions: Vec<Expression>,
}

/// The names of the filters that leave out what those without the prefix select.
static UNWANTED: LazyLock<Vec<String>> =
    LazyLock::new(|| Criterion::all().map(|criterion| format!("{NOT}{criterion}")).collect());

/// Returns the names of all filters.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let wanted = Criterion::all().map(Criterion::as_str);
    wanted.chain(UNWANTED.iter().map(String::as_str)).chain([EXPRESSION])
}

impl FlowFilter {
    /// Adds a filter by its name. `value` is an expression, or values with commas.
    ///
    /// # Errors
    /// Fails when no filter has the name, or a value can't be read. The error doesn't name the filter.
    pub(crate) fn add(&mut self, subject: Subject, name: &str, value: &str) -> Result<(), String> {
        if name == EXPRESSION {
            self.expressions.push(Expression::parse(subject, value)?);
            return Ok(());
        }
        let (criteria, name) = match name.strip_prefix(NOT) {
            Some(name) => (&mut self.unwanted, name),
            None => (&mut self.wanted, name),
        };
        let criterion: Criterion = name.parse()?;
        value.split(',').try_for_each(|value| criteria.add(subject, criterion, value.trim()))
    }

    /// Is true when every filter lets the record in this line of JSON pass. What was lost may have matched.
    pub(crate) fn matches_line(&self, line: &[u8]) -> bool {
        if *self == Self::default() {
            return true;
        }
        let Ok(FlowRecord { event, .. }) = serde_json::from_slice(line) else { return false };
        let json = || serde_json::from_slice(line).unwrap_or_default();
        matches!(event, Event::Lost(_)) || self.matches(&Facts::of_event(&event), json)
    }

    /// Is true when every filter lets the finding pass.
    pub(crate) fn matches_finding(&self, finding: &Finding) -> bool {
        self.matches(&Facts::of_finding(finding), || serde_json::to_value(finding).unwrap_or_default())
    }

    /// `json` is only called for expressions.
    fn matches(&self, facts: &Facts<'_>, json: impl FnOnce() -> Value) -> bool {
        self.wanted.each(facts).iter().all(|matches| *matches != Some(false))
            && self.unwanted.each(facts).iter().all(|matches| *matches != Some(true))
            && (self.expressions.is_empty() || self.are_true(&json()))
    }

    fn are_true(&self, json: &Value) -> bool {
        self.expressions.iter().all(|expression| expression.matches(json))
    }
}

#[cfg(test)]
mod tests;
