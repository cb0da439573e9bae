use rstest::rstest;

use super::*;

fn show(query: &Query) -> String {
    let target = |target: &Target| match target {
        Target::Named { namespace, name } => format!("{namespace}|{name}"),
        Target::Ip(ip) => ip.to_string(),
        other => format!("{other:?}"),
    };
    let port = query.port.as_ref().map_or("-".to_owned(), ToString::to_string);
    format!("{} {} {port} {:?}", target(&query.src), target(&query.dst), query.protocol)
}

#[rstest]
#[case("web/a", "data/db", "web|a data|db - None")]
#[case("web/a", "data/db:5432", "web|a data|db 5432 None")]
#[case("web/a", "data/db:http/udp", "web|a data|db http Some(Udp)")]
#[case("web/a", "data/udp", "web|a data|udp - None")]
#[case("web/a", "data/db/SCTP", "web|a data|db - Some(Sctp)")]
#[case("10.0.0.1", "10.0.0.2:53/UDP", "10.0.0.1 10.0.0.2 53 Some(Udp)")]
#[case("10.0.0.1", "10.0.0.2/UDP", "10.0.0.1 10.0.0.2 - Some(Udp)")]
#[case("fd00::1", "[fd00::2]:80", "fd00::1 fd00::2 80 None")]
#[case("[fd00::1]", "[fd00::2]:80/TCP", "fd00::1 fd00::2 80 Some(Tcp)")]
#[case("fd00::1", "fd00::80", "fd00::1 fd00::80 - None")]
#[case("fd00::1", "fd00::80/UDP", "fd00::1 fd00::80 - Some(Udp)")]
#[case("::ffff:10.0.0.1", "web/a:80", "10.0.0.1 web|a 80 None")]
fn understood(#[case] from: &str, #[case] to: &str, #[case] expected: &str) {
    assert_eq!(show(&Query::parse(from, to).unwrap()), expected);
}

#[rstest]
#[case("web", "a/b", "`web` is neither")]
#[case("", "a/b", "`` is neither")]
#[case("a/b", "web/", "`` is neither")]
#[case("a/b", "/web", "`` is neither")]
#[case("a/b", "10.0.0.1.2:80", "`10.0.0.1.2:80` is neither")]
#[case("a/b", "[fd00::1]80", "is neither")]
#[case("a/b", "[web/x]:80", "is neither")]
#[case("a/b", "fe80::1%eth0", "is")]
#[case("a/b", "a/b c", "is neither")]
#[case("a/b:80", "a/b", "a source has no port")]
#[case("a/b", "a/b:0", "`0` is no port")]
#[case("a/b", "a/b:65536", "`65536` is no port")]
#[case("a/b", "a/b:", "`` is no port")]
#[case("a/b", "a/b:80:90", "`80:90` is no port")]
#[case("a/b", "a/b:80/ICMP", "`ICMP` is none of TCP")]
#[case("a/b", "a/b/c", "`c` is none of TCP")]
#[case("a/b", "10.0.0.1/24", "`24` is none of TCP")]
#[case("a/b\u{1b}[2J", "a/b", "`b?[2J` is neither")]
fn refused(#[case] from: &str, #[case] to: &str, #[case] says: &str) {
    let error = Query::parse(from, to).unwrap_err().to_string();
    assert!(error.contains(says), "{error}");
}

#[test]
fn what_is_quoted_stays_short() {
    let error = Query::parse(&"x".repeat(100_000), "a/b").unwrap_err().to_string();
    assert!(error.len() < 200, "{}", error.len());
    assert!(Query::parse(&format!("a/{}", "x".repeat(254)), "a/b").is_err(), "no such name can be");
}
