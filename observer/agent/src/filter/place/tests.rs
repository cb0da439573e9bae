use rstest::rstest;

use super::*;
use crate::sink::testing::{external, host, pod, service};

/// A pod behind a Service of another namespace.
fn backend() -> Endpoint {
    let backend_ip = Some([10, 42, 0, 12].into());
    Endpoint {
        service: Some("front/pg".into()),
        ip: [10, 43, 9, 1].into(),
        backend_ip,
        ..pod("data", "db-0")
    }
}

#[rstest]
#[case("web", "web/front-5d-1")]
#[case("web/front-5d-1", "web/front-5d-1")]
#[case("web/front", "web/front-5d-1")]
#[case("front", "front/pg service")]
#[case("data", "front/pg")]
#[case("front/pg", "front/pg service")]
#[case("data/db", "front/pg")]
#[case("data/pg", "")]
#[case("10.43.9.1", "front/pg")]
#[case("10.42.0.12", "front/pg")]
#[case("10.42.0.0/24", "web/front-5d-1 front/pg")]
#[case("10.42.0.13/32", "")]
#[case("1.1.1.1", "1.1.1.1")]
#[case("0.0.0.0/0", "web/front-5d-1 front/pg service 1.1.1.1 node")]
#[case("::/0", "")]
#[case("node1", "")]
fn a_place_holds_what_people_mean(#[case] place: &str, #[case] wanted: &str) {
    let place: Place = place.parse().unwrap();
    let sides = [
        ("web/front-5d-1", pod("web", "front-5d-1")),
        ("front/pg", backend()),
        ("service", service("front", "pg")),
        ("1.1.1.1", external()),
        ("node", host("node1")),
    ];
    let held = sides.iter().filter(|(_, side)| place.holds(side));
    let held: Vec<_> = held.map(|(name, _)| *name).collect();
    let named = |side: &str| wanted.split(' ').any(|name| name == side);
    let expected: Vec<_> = sides.iter().map(|(name, _)| *name).filter(|name| named(name)).collect();
    assert_eq!(held, expected);
}

#[rstest]
#[case("")]
#[case("Web")]
#[case("a/b/c")]
#[case("web/")]
#[case("/front")]
#[case("10.0.0")]
#[case("10.0.0.0/33")]
#[case("web front")]
#[case("*")]
fn other_texts_are_errors(#[case] text: &str) {
    let error = text.parse::<Place>().unwrap_err();
    assert!(error.starts_with(&format!("`{text}` is neither a namespace nor")), "{error}");
}
