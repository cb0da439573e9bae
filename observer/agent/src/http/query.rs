//! Query strings. An unknown parameter or value is an error that names it.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use flow_model::finding::{Finding, FindingKind, State};
use flow_model::flow::Outcome;
use flow_model::record::Kind;
use jiff::Timestamp;

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
        let known = ["namespace", "pod", "kind", "outcome", "since", "follow"];
        for (name, value) in parameters(uri, &known)? {
            match name.as_str() {
                "since" => *since = Some(parse_since(&value, now).map_err(|e| bad(&name, e))?),
                "follow" => *follow = parse(&name, &value)?,
                "kind" => filter.kinds.extend(parse_list::<Kind>(&name, &value)?),
                "outcome" => filter.outcomes.extend(parse_list::<Outcome>(&name, &value)?),
                _ => parse_names(filter, &name, &value)?,
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
}

impl FindingsQuery {
    pub(super) fn parse(uri: &Uri) -> Result<Self, Failure> {
        let mut query = Self::default();
        for (name, value) in parameters(uri, &["kind", "state", "namespace"])? {
            match name.as_str() {
                "kind" => query.kinds.extend(parse_list::<FindingKind>(&name, &value)?),
                "state" => query.states.extend(parse_list::<State>(&name, &value)?),
                _ => parse_names(&mut query.names, &name, &value)?,
            }
        }
        Ok(query)
    }

    pub(super) fn matches(&self, finding: &Finding) -> bool {
        let Self { kinds, states, names } = self;
        let named = match (&finding.src, &finding.dst) {
            (Some(src), Some(dst)) => names.matches_endpoints(src, dst),
            (Some(one), None) | (None, Some(one)) => names.matches_endpoints(one, one),
            (None, None) => names.namespaces.is_empty(),
        };
        named
            && (kinds.is_empty() || kinds.contains(&finding.kind))
            && (states.is_empty() || states.contains(&finding.state))
    }
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
mod tests {
    use axum::response::IntoResponse;
    use rstest::rstest;

    use super::*;
    use crate::sink::testing::{at, finding, resolved};

    fn flows(query: &str) -> Result<FlowsQuery, Failure> {
        FlowsQuery::parse(&format!("/api/v1/flows?{query}").parse().unwrap(), at(1000))
    }

    #[test]
    fn everything_at_once() {
        let query = "namespace=web&namespace=data&pod=web%2Fa&pod=web/b&kind=attempt,reset&kind=lost&\
            outcome=refused&since=5m&follow=false";
        let expected = FlowsQuery {
            filter: Filter {
                namespaces: vec!["web".into(), "data".into()],
                pods: vec!["web/a".parse().unwrap(), "web/b".parse().unwrap()],
                kinds: vec![Kind::Attempt, Kind::Reset, Kind::Lost],
                outcomes: vec![Outcome::Refused],
                since: None,
            },
            since: Some(at(700)),
            follow: false,
        };
        assert_eq!(flows(query).unwrap(), expected);
    }

    #[rstest]
    #[case("", None)]
    #[case("since=90s", Some(at(910)))]
    #[case("since=1h%2030m", Some(at(1000 - 5400)))]
    #[case("since=100000y", Some(Timestamp::MIN))]
    #[case("since=2026-11-21T02:53:08Z", Some("2026-11-21T02:53:08Z".parse().unwrap()))]
    #[case("since=2026-11-21T02:53:08.5%2B01:00", Some("2026-11-21T01:53:08.5Z".parse().unwrap()))]
    #[case("since=2026-11-21T02:53:08+01:00", Some("2026-11-21T01:53:08Z".parse().unwrap()))]
    fn since_is_a_duration_or_a_time(#[case] query: &str, #[case] since: Option<Timestamp>) {
        assert_eq!(flows(query).unwrap().since, since);
    }

    #[rstest]
    #[case("nonsense=1", "`nonsense`")]
    #[case("Namespace=web", "`Namespace`")]
    #[case("namespace=", "`namespace`")]
    #[case("pod=front", "`pod`: `front`")]
    #[case("pod=a/b/c", "`pod`")]
    #[case("kind=attempt,walk", "`kind`: `walk`")]
    #[case("outcome=", "`outcome`")]
    #[case("since=yesterday", "`since`: `yesterday`")]
    #[case("since=-5m", "`since`")]
    #[case("follow=maybe", "`follow`")]
    fn what_is_wrong_is_named(#[case] query: &str, #[case] named: &str) {
        let failure = flows(query).unwrap_err();
        assert!(format!("{failure:?}").contains(named), "{failure:?}");
        assert_eq!(failure.into_response().status(), 400);
    }

    #[rstest]
    #[case("", "ab")]
    #[case("kind=policy_denied", "ab")]
    #[case("kind=latent_denial,policy_denied&state=active", "a")]
    #[case("kind=latent_denial", "")]
    #[case("state=active&state=resolved", "ab")]
    #[case("state=resolved&namespace=web", "b")]
    #[case("namespace=data", "ab")]
    #[case("namespace=jobs", "")]
    fn findings_are_filtered(#[case] query: &str, #[case] wanted: &str) {
        let query = FindingsQuery::parse(&format!("/api/v1/findings?{query}").parse().unwrap()).unwrap();
        let findings = [finding("a", 0), resolved(finding("b", 0), 0)];
        let ids: String = findings.iter().filter(|f| query.matches(f)).map(|f| f.id.as_str()).collect();
        assert_eq!(ids, wanted);
    }

    #[rstest]
    #[case("pod=web/a", "`pod`")]
    #[case("kind=attempt", "`kind`: `attempt` is none of policy_denied, service_refused,")]
    #[case("state=over", "`state`: `over` is none of active, resolved")]
    #[case("namespace=", "`namespace`")]
    fn findings_name_what_is_wrong(#[case] query: &str, #[case] named: &str) {
        let failure =
            FindingsQuery::parse(&format!("/api/v1/findings?{query}").parse().unwrap()).unwrap_err();
        assert!(format!("{failure:?}").contains(named), "{failure:?}");
    }

    #[test]
    fn a_finding_without_sides_is_of_no_namespace() {
        let parse = |query: &str| FindingsQuery::parse(&format!("/?{query}").parse().unwrap()).unwrap();
        let bare = Finding { src: None, dst: None, ..finding("a", 0) };
        assert!(parse("").matches(&bare) && !parse("namespace=web").matches(&bare));
        let half = Finding { src: None, ..finding("a", 0) };
        assert!(parse("namespace=data").matches(&half) && !parse("namespace=web").matches(&half));
    }

    #[test]
    fn pairs_know_only_names() {
        let parse = |query: &str| names_only(&format!("/api/v1/pairs?{query}").parse().unwrap());
        assert_eq!(parse("namespace=web").unwrap().namespaces, ["web"]);
        assert!(parse("kind=attempt").is_err());
    }
}
