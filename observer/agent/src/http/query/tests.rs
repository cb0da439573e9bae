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
        outcome=refused&reason=no_socket,unknown&not_from=web&since=5m&follow=false";
    let mut flow = FlowFilter::default();
    for (name, value) in [("reason", "no_socket,unknown"), ("not_from", "web")] {
        flow.add(Subject::Record, name, value).unwrap();
    }
    let expected = FlowsQuery {
        filter: Filter {
            namespaces: vec!["web".into(), "data".into()],
            pods: vec!["web/a".parse().unwrap(), "web/b".parse().unwrap()],
            kinds: vec![Kind::Attempt, Kind::Reset, Kind::Lost],
            outcomes: vec![Outcome::Refused],
            flow,
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
#[case("since=30m%201h", Some(at(1000 - 5400)))]
#[case("since=0", Some(at(1000)))]
#[case("since=1M", Some(at(1000 - 2_630_016)))]
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
#[case("reason=", "`reason`")]
#[case("from=web,", "`from`: it is empty")]
#[case("not_to=Web", "`not_to`: `Web` is neither a namespace")]
#[case("port=http", "`port`: `http` is neither a port")]
#[case("verdict=yes", "`verdict`: `yes` is none of allow, deny, unknown")]
#[case("policy=a/b/c", "`policy`: `a/b/c` is neither")]
#[case("cause=rain", "`cause`: `rain` is none of conntrack_full")]
#[case("not_since=5m", "`not_since`")]
#[case("filter=dst.port%20%3D%3D", "`filter`: column")]
#[case("filter=severity%20%3D%3D%201", "`filter`: column 1: there is no field `severity`")]
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
#[case("from=web&to=data/db&port=5432&verdict=deny&policy=data/deny", "ab")]
#[case("not_from=web", "")]
#[case("not_from=data", "ab")]
#[case("reason=a", "a")]
#[case("cause=rain", "")]
#[case("filter=state%20%3D%3D%20'resolved'", "b")]
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
    let failure = FindingsQuery::parse(&format!("/api/v1/findings?{query}").parse().unwrap()).unwrap_err();
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
