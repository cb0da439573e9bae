use std::fmt::Write as _;
use std::time::Duration;

use crate::checks::spec::{CheckSpec, MAX_CHECKS, Target};

use super::*;

fn checks(text: &str) -> Vec<CheckSpec> {
    File::parse(Path::new("flow-observer.toml"), text).unwrap().checks
}

fn table(more: &str) -> String {
    format!("[[check]]\nname = \"lock\"\ntarget = \"dbaas/pg:5432\"\n{more}\n")
}

#[test]
fn a_table_needs_a_name_and_a_target() {
    let found = checks(&table(""));
    let [check] = &found[..] else { panic!("{found:?}") };
    assert_eq!(check.name, "lock");
    assert_eq!(check.target, Target::Service { namespace: "dbaas".into(), name: "pg".into(), port: 5432 });
    assert_eq!((check.hold, check.timeout), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(check.interval, Duration::from_secs(30));
    assert_eq!((&check.send, &check.expect), (&None, &None));
    assert_eq!(checks(""), []);
}

#[test]
fn a_check_may_hold_its_connection_for_no_time() {
    assert_eq!(checks(&table("hold = \"0\""))[0].hold, Duration::ZERO);
}

#[test]
fn every_key_can_be_set() {
    let text = "[[check]]\nname = \"a.b_C-1\"\ntarget = \"[fd00::9]:5432\"\nhold = \"10m\"\ninterval = \"1s\"\n\
                timeout = \"100ms\"\nsend = [0, 0, 0, 8, 4, 210, 22, 47]\nexpect = \"S\"";
    let check = &checks(text)[0];
    assert_eq!(check.target, Target::Address("[fd00::9]:5432".parse().unwrap()));
    assert_eq!((check.hold, check.interval), (Duration::from_secs(600), Duration::from_secs(1)));
    assert_eq!(check.timeout, Duration::from_millis(100));
    assert_eq!(check.send.as_deref(), Some(&[0, 0, 0, 8, 4, 210, 22, 47][..]));
    assert_eq!(check.expect.as_deref(), Some(&b"S"[..]));
}

#[test]
fn values_out_of_bounds_are_named_with_the_bound() {
    let large = format!("send = \"{}\"", "x".repeat(4_097));
    for (more, says) in [
        ("holt = \"5s\"", "unknown field `holt`, expected one of `name`, `target`, `hold`"),
        ("hold = \"601s\"", "check `lock`: hold: `10m 1s` is not between 0s and 10m"),
        ("hold = \"soon\"", "`soon`"),
        ("interval = \"999ms\"", "check `lock`: interval: `999ms` is not between 1s and 1day"),
        ("interval = \"2days\"", "interval: `2days` is not"),
        ("timeout = \"0s\"", "timeout: `0s` is not between 1ms and 1m"),
        ("timeout = \"61s\"", "timeout: `1m 1s`"),
        ("send = \"\"", "send: is empty; leave it out"),
        ("expect = []", "expect: is empty; leave it out"),
        (&large, "send: 4097 bytes; at most 4096 fit"),
        ("send = [256]", "256"),
        ("send = 5", "text or an array of bytes"),
        ("name = \"other\"", "duplicate key"),
    ] {
        let error = error(&table(more));
        assert!(error.contains(says), "{more}: {error}");
    }
    for (text, says) in [
        ("[[check]]\nname = \"lock\"", "missing field `target`"),
        ("[[check]]\ntarget = \"a/b:1\"", "missing field `name`"),
        ("[check]\nname = \"lock\"\ntarget = \"a/b:1\"", "sequence"),
    ] {
        assert!(error(text).contains(says), "{text}: {}", error(text));
    }
}

#[test]
fn names_are_labels() {
    for name in ["", "a b", "a/b", "\u{e9}", &"x".repeat(64)] {
        let error = error(&format!("[[check]]\nname = \"{name}\"\ntarget = \"a/b:1\""));
        assert!(error.contains("takes 1 to 63 letters, digits"), "{name}: {error}");
    }
    let twice = table("") + &table("");
    assert!(error(&twice).contains("check `lock`: another one has this name"), "{}", error(&twice));
}

#[test]
fn targets_are_services_or_addresses() {
    for target in [
        "",
        "pg",
        "pg:5432",
        "dbaas/pg",
        "dbaas/pg:0",
        "dbaas/pg:65536",
        "dbaas/pg:sql",
        "/pg:1",
        "dbaas/:1",
        "a/b/c:1",
        "Dbaas/pg:1",
        "10.0.0.1",
        "10.0.0.1:0",
        "fd00::1:80",
        "host.example:80",
    ] {
        let error = error(&format!("[[check]]\nname = \"lock\"\ntarget = \"{target}\""));
        let says = format!("check `lock`: target: `{target}` is not `namespace/service:port`, `ip:port`");
        assert!(error.contains(&says), "{target}: {error}");
    }
    for target in ["0.0.0.0:80", "[::]:80", "224.0.0.1:80"] {
        let error = error(&format!("[[check]]\nname = \"lock\"\ntarget = \"{target}\""));
        assert!(error.contains("is no host's address"), "{target}: {error}");
    }
}

#[test]
fn the_number_of_checks_is_bounded() {
    let many = |n: usize| {
        (0..n).fold(String::new(), |mut text, i| {
            writeln!(text, "[[check]]\nname = \"c{i}\"\ntarget = \"a/b:1\"").unwrap();
            text
        })
    };
    assert_eq!(checks(&many(MAX_CHECKS)).len(), MAX_CHECKS);
    let error = error(&many(MAX_CHECKS + 1));
    assert!(error.contains("65 tables; an agent runs at most 64"), "{error}");
}
