use clap::Parser as _;
use rstest::rstest;

use super::*;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    live: LiveArgs,
}

fn text(checks: &[Check]) -> Vec<String> {
    checks.iter().map(|check| format!("{:?} {}: {}", check.status, check.name, check.found)).collect()
}

#[rstest]
#[case("0.0.0.0:9477", "127.0.0.1:9477")]
#[case("[::]:9000", "[::1]:9000")]
#[case("192.0.2.1:9477", "192.0.2.1:9477")]
fn a_listener_on_all_addresses_is_asked_on_the_loopback(#[case] listen: &str, #[case] asked: &str) {
    assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked);
}

#[test]
fn an_agent_that_sees_everything_is_one_good_line() {
    let expected = ["Ok live agent: the agent at U is ready; it knows of no blind spot"];
    assert_eq!(text(&lines("U", b"ready\n").unwrap()), expected);
}

#[test]
fn each_blind_spot_is_a_line_whatever_its_reason() {
    let body = br#"{"ready":true,"stale":{"pods":"403"},"blind_spots":[
        {"reason":"no_uplink","place":"node","why":"none is known"},
        {"reason":"of_another_version","place":"veth1","why":"hidden\u001b[2J"}]}"#;
    let expected = [
        "Ok live agent: the agent at U is ready; it can't see everything, as follows",
        "Warn live agent: pods is out of date: 403",
        "Warn blind spot: no_uplink (node): none is known",
        "Warn blind spot: of_another_version (veth1): hidden?[2J",
    ];
    assert_eq!(text(&lines("U", body).unwrap()), expected);
}

#[test]
fn an_agent_that_is_not_ready_still_names_its_blind_spots() {
    let body =
        br#"{"pending":["interfaces","pods"],"blind_spots":[{"reason":"no_drops","place":"node","why":"w"}]}"#;
    let expected = [
        "Warn live agent: the agent at U is not ready: it waits for interfaces, pods",
        "Warn blind spot: no_drops (node): w",
    ];
    assert_eq!(text(&lines("U", body).unwrap()), expected);
}

#[rstest]
fn what_is_no_agent_is_not_told_as_sight(#[values("", "<html>", "{}", "[]", "ok\n")] body: &str) {
    let why = lines("U", body.as_bytes()).unwrap_err();
    assert_eq!(why, "what answers at U is no Flow Observer agent");
}

#[rstest]
#[case("--url", Status::Fail)]
#[case("--listen", Status::Warn)]
#[tokio::test]
async fn where_nobody_listens_one_line_says_so(#[case] flag: &str, #[case] status: Status) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = if flag == "--url" { format!("http://{free}") } else { free.to_string() };
    let checks = Cli::parse_from(["doctor", flag, &address]).live.checks().await;
    assert_eq!((checks.len(), checks[0].status), (1, status), "an agent that was named has to answer");
    assert!(checks[0].found.contains("can't reach an agent at http://127.0.0.1:"), "{}", checks[0].found);
}
