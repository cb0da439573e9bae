//! Query strings. An unknown parameter or value is an error that names it.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use flow_model::finding::{Finding, FindingKind, State};
use flow_model::flow::Outcome;
use flow_model::record::Kind;
use jiff::Timestamp;

use crate::filter::{self, FlowFilter, Subject};
use crate::http::answer::Failure;
use crate::sink::tail::Filter;

/// Parameters of `/api/v1/flows`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FlowsQuery {
    pub(super) filter: Filter,
    pub(super) since: Option<Timestamp>,
    pub(super) follow: bool,
}

impl FlowsQuery {
    pub(super) fn parse(uri: &Uri, now: Timestamp) -> Result<Self, Failure> {
        let mut query = Self { filter: Filter::default(), since: None, follow: true };
        let Self { filter, since, follow } = &mut query;
        let known = with_filters(&["namespace", "pod", "kind", "outcome", "since", "follow"]);
        for (name, value) in parameters(uri, &known)? {
            match name.as_str() {
                "since" => *since = Some(parse_since(&value, now).map_err(|e| bad(&name, e))?),
                "follow" => *follow = parse(&name, &value)?,
                "kind" => filter.kinds.extend(parse_list::<Kind>(&name, &value)?),
                "outcome" => filter.outcomes.extend(parse_list::<Outcome>(&name, &value)?),
                "namespace" | "pod" => parse_names(filter, &name, &value)?,
                _ => filter.flow.add(Subject::Record, &name, &value).map_err(|e| bad(&name, e))?,
            }
        }
        Ok(query)
    }
}

/// Parameters of `/api/v1/pairs`.
pub(super) fn names_only(uri: &Uri) -> Result<Filter, Failure> {
    let mut filter = Filter::default();
    for (name, value) in parameters(uri, &["namespace", "pod"])? {
        parse_names(&mut filter, &name, &value)?;
    }
    Ok(filter)
}

/// Parameters of `/api/v1/findings`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct FindingsQuery {
    kinds: Vec<FindingKind>,
    states: Vec<State>,
    names: Filter,
    flow: FlowFilter,
}

impl FindingsQuery {
    pub(super) fn parse(uri: &Uri) -> Result<Self, Failure> {
        let mut query = Self::default();
        for (name, value) in parameters(uri, &with_filters(&["kind", "state", "namespace"]))? {
            match name.as_str() {
                "kind" => query.kinds.extend(parse_list::<FindingKind>(&name, &value)?),
                "state" => query.states.extend(parse_list::<State>(&name, &value)?),
                "namespace" => parse_names(&mut query.names, &name, &value)?,
                _ => query.flow.add(Subject::Finding, &name, &value).map_err(|e| bad(&name, e))?,
            }
        }
        Ok(query)
    }

    pub(super) fn matches(&self, finding: &Finding) -> bool {
        let Self { kinds, states, names, flow } = self;
        let named = match (&finding.src, &finding.dst) {
            (Some(src), Some(dst)) => names.matches_endpoints(src, dst),
            (Some(one), None) | (None, Some(one)) => names.matches_endpoints(one, one),
            (None, None) => names.namespaces.is_empty(),
        };
        named
            && (kinds.is_empty() || kinds.contains(&finding.kind))
            && (states.is_empty() || states.contains(&finding.state))
            && flow.matches_finding(finding)
    }
}

/// Returns the parameters of a path that takes the filters of flows, too.
fn with_filters(own: &[&'static str]) -> Vec<&'static str> {
    own.iter().copied().chain(filter::names()).collect()
}

fn parse_names(filter: &mut Filter, name: &str, value: &str) -> Result<(), Failure> {
    match name {
        "namespace" if value.is_empty() => return Err(bad(name, "it is empty")),
        "namespace" => filter.namespaces.push(value.to_owned()),
        _ => filter.pods.push(parse(name, value)?),
    }
    Ok(())
}

/// Returns all parameters. A name that the path doesn't know is an error.
pub(super) fn parameters(uri: &Uri, known: &[&str]) -> Result<Vec<(String, String)>, Failure> {
    let parameters = match Query::<Vec<(String, String)>>::try_from_uri(uri) {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return Err(Failure::bad_request(rejection.body_text())),
    };
    match parameters.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        Some((name, _)) => Err(unknown(name, known)),
        None => Ok(parameters),
    }
}

fn parse<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|error| bad(name, error))
}

fn parse_list<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<Vec<T>, Failure> {
    value.split(',').map(|part| parse(name, part.trim())).collect()
}

fn unknown(name: &str, known: &[&str]) -> Failure {
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Failure::bad_request(format!("unknown parameter `{name}`: this path takes {known}"))
}

fn bad(name: &str, error: impl Display) -> Failure {
    Failure::bad_request(format!("parameter `{name}`: {error}"))
}

/// Parses a duration before now, or a time. A `+` that was not percent-encoded has become a space.
fn parse_since(value: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = crate::duration::parse(value) {
        return Ok(now.checked_sub(ago).unwrap_or(Timestamp::MIN));
    }
    value.parse().or_else(|_| value.replace(' ', "+").parse()).map_err(|_| {
        format!("`{value}` is neither a duration like `5m` nor a time like `2026-11-21T02:53:08Z`")
    })
}

#[cfg(test)]
mod tests;
