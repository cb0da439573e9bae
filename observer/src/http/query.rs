//! Query strings: every parameter is known and every value understood, or the answer says which is not.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use jiff::{SignedDuration, Timestamp};

use super::answer::Failure;
use crate::core::record::{Kind, Outcome};
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
        for (name, value) in parameters(uri)? {
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
    for (name, value) in parameters(uri)? {
        parse_names(&mut filter, &name, &value)?;
    }
    Ok(filter)
}

fn parse_names(filter: &mut Filter, name: &str, value: &str) -> Result<(), Failure> {
    match name {
        "namespace" if value.is_empty() => return Err(bad(name, "it is empty")),
        "namespace" => filter.namespaces.push(value.to_owned()),
        "pod" => filter.pods.push(parse(name, value)?),
        _ => return Err(Failure::bad_request(format!("unknown parameter `{name}`"))),
    }
    Ok(())
}

pub(super) fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Failure> {
    match Query::<Vec<(String, String)>>::try_from_uri(uri) {
        Ok(Query(parameters)) => Ok(parameters),
        Err(rejection) => Err(Failure::bad_request(rejection.body_text())),
    }
}

fn parse<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Failure> {
    value.parse().map_err(|error| bad(name, error))
}

fn parse_list<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<Vec<T>, Failure> {
    value.split(',').map(|part| parse(name, part.trim())).collect()
}

fn bad(name: &str, error: impl Display) -> Failure {
    Failure::bad_request(format!("parameter `{name}`: {error}"))
}

/// A duration before now, or a time. A `+` that was not percent-encoded has become a space.
fn parse_since(value: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Ok(ago) = humantime::parse_duration(value) {
        let ago = SignedDuration::try_from(ago).unwrap_or(SignedDuration::MAX);
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
    use crate::sink::testing::at;

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

    #[test]
    fn pairs_know_only_names() {
        let parse = |query: &str| names_only(&format!("/api/v1/pairs?{query}").parse().unwrap());
        assert_eq!(parse("namespace=web").unwrap().namespaces, ["web"]);
        assert!(parse("kind=attempt").is_err());
    }
}
