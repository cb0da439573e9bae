//! The filters with a name of their own, and the values that each has.

use flow_model::decision::Decision;
use flow_model::flow::ResetCause;
use flow_model::record::LossCause;
use strum::{Display, EnumString, IntoStaticStr, VariantNames};

use crate::filter::Subject;
use crate::filter::facts::Facts;
use crate::filter::place::Place;
use crate::filter::values::{PolicyName, Ports};

/// The filters with a name of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Display, EnumString, IntoStaticStr, strum::VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case", parse_err_ty = String, parse_err_fn = unknown)]
pub(crate) enum Criterion {
    From,
    To,
    Port,
    Verdict,
    Policy,
    Reason,
    Cause,
}

/// The number of filters with a name of their own.
const CRITERIA: usize = Criterion::VARIANTS.len();

/// Holds the values of each filter. One without values has no opinion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Criteria {
    from: Vec<Place>,
    to: Vec<Place>,
    ports: Vec<Ports>,
    verdicts: Vec<Decision>,
    policies: Vec<PolicyName>,
    reasons: Vec<String>,
    causes: Vec<String>,
}

impl Criterion {
    /// Returns all of them, in the order of the help.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        <Self as strum::VariantArray>::VARIANTS.iter().copied()
    }

    /// Returns its name, which parameters of the API have.
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }
}

fn unknown(name: &str) -> String {
    format!("`{name}` is none of {}", Criterion::VARIANTS.join(", "))
}

impl Criteria {
    /// Adds a value.
    pub(super) fn add(&mut self, subject: Subject, criterion: Criterion, value: &str) -> Result<(), String> {
        if value.is_empty() {
            return Err("it is empty".to_owned());
        }
        match criterion {
            Criterion::From => self.from.push(value.parse()?),
            Criterion::To => self.to.push(value.parse()?),
            Criterion::Port => self.ports.push(value.parse()?),
            Criterion::Verdict => self.verdicts.push(value.parse()?),
            Criterion::Policy => self.policies.push(value.parse()?),
            Criterion::Reason => self.reasons.push(value.to_owned()),
            Criterion::Cause => self.causes.push(cause(subject, value)?),
        }
        Ok(())
    }

    /// Returns for each filter that has values whether one of them matches.
    pub(super) fn each(&self, facts: &Facts<'_>) -> [Option<bool>; CRITERIA] {
        [
            any(&self.from, |place| facts.src.is_some_and(|src| place.holds(src))),
            any(&self.to, |place| facts.dst.is_some_and(|dst| place.holds(dst))),
            any(&self.ports, |ports| facts.has_port(|port| ports.contain(port))),
            any(&self.verdicts, |decision| facts.verdict == Some(*decision)),
            any(&self.policies, |name| facts.policies.iter().any(|policy| name.names(policy))),
            any(&self.reasons, |reason| facts.has_reason(reason)),
            any(&self.causes, |cause| facts.has_cause(cause)),
        ]
    }
}

/// Returns the cause. Records have causes by name; findings tell theirs in a sentence.
fn cause(subject: Subject, value: &str) -> Result<String, String> {
    let known = || LossCause::VARIANTS.iter().chain(ResetCause::VARIANTS);
    match subject {
        Subject::Record if !known().any(|name| name.eq_ignore_ascii_case(value)) => {
            let known: Vec<_> = known().copied().collect();
            Err(format!("`{value}` is none of {}", known.join(", ")))
        }
        Subject::Record | Subject::Finding => Ok(value.to_owned()),
    }
}

/// Returns `None` where there is no value.
fn any<T>(values: &[T], test: impl Fn(&T) -> bool) -> Option<bool> {
    (!values.is_empty()).then(|| values.iter().any(test))
}
