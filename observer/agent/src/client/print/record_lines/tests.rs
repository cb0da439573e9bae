use flow_model::flow::{Side, Vantage};
use flow_model::input::CheckStep;
use flow_model::mac::Mac;
use flow_model::record::{ChangeVerb, PolicyChange};

use super::*;
use crate::client::print::testing::{look, printer};
use crate::sink::testing::{at, attempt, external, host, pod, reset};

fn text(records: &[FlowRecord]) -> Vec<String> {
    let mut text = Lines::new(look(false));
    records.iter().map(|record| text.line(record)).collect()
}

fn postgres(pod: Option<&str>) -> Endpoint {
    Endpoint {
        service: Some("postgres/pal-e-postgres-rw".into()),
        namespace: pod.map(|_| "postgres".into()),
        pod: pod.map(Into::into),
        backend_ip: Some([10, 42, 0, 12].into()),
        ..Endpoint::bare([10, 43, 239, 89].into(), 5432)
    }
}

#[test]
fn columns_are_aligned_and_grow() {
    let rejected = {
        let client = pod("pal-e-docs", "pal-e-docs-6b55489545-v4jvv");
        let mut record = attempt(0, client, postgres(Some("pal-e-postgres-1")), Outcome::Rejected);
        if let Event::Attempt(attempt) = &mut record.event {
            attempt.signal = Some("icmp-port-unreachable".into());
            attempt.drop_reason = Some("NETFILTER_DROP".into());
        }
        record
    };
    let mut unanswered = attempt(2, host("archbox"), postgres(None), Outcome::Unanswered);
    if let Event::Attempt(attempt) = &mut unanswered.event {
        attempt.latency_us = None;
        attempt.syn_retransmits = 3;
    }
    let dropped = Event::Drop(Drop {
        vantage: Vantage::Source,
        reason: "NETFILTER_DROP".into(),
        protocol: "TCP".into(),
        tcp_flags: Some("SYN".into()),
        enforcer: Some(EnforcerStatement::Logged),
        enforcer_policy: None,
        verdict: None,
        src: external(),
        dst: Endpoint::bare("fd00::1".parse().unwrap(), 443),
    });
    let lost = Event::Lost(Lost { lost: 12, stage: "client".into() });
    let record = |event| FlowRecord { time: at(5), node: "n".into(), event };
    let lines = text(&[
        attempt(0, external(), pod("web", "front-5d-1"), Outcome::Established),
        rejected,
        unanswered,
        reset(3, pod("web", "front-5d-1"), external()),
        record(dropped),
        record(lost),
    ]);
    let expected = "\
11:06:40.000  1.1.1.1 -> web/front-5d-1:5432  established 0.3ms
11:06:40.000  pal-e-docs/pal-e-docs-6b55489545-v4jvv -> postgres/pal-e-postgres-rw:5432 (pal-e-postgres-1)  rejected    icmp-port-unreachable (NETFILTER_DROP) 0.3ms
11:06:42.000  node archbox:2                         -> postgres/pal-e-postgres-rw:5432 (10.42.0.12)        unanswered  after 3 retransmits
11:06:43.000  web/front-5d-1:5432                    -> 1.1.1.1:443                                         reset       by server, orphan (its start was not seen here)
11:06:45.000  1.1.1.1:443                            -> [fd00::1]:443                                       drop        NETFILTER_DROP TCP SYN [logged by the enforcer]
11:06:45.000  lost        12 records: this reader was too slow";
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn long_names_are_cut_in_the_middle_and_stay_aligned() {
    let long = pod("a-rather-long-namespace", "with-a-deployment-name-to-match-6b55489545-v4jvv");
    let lines = text(&[
        attempt(40_122, long, external(), Outcome::Refused),
        attempt(0, external(), external(), Outcome::Refused),
    ]);
    assert!(lines[0].contains("a-rather-long-namespace/with-a-d..9545-v4jvv:40122 -> "), "{}", lines[0]);
    let column = |line: &str| line.find(" -> ").unwrap();
    assert_eq!(column(&lines[0]), column(&lines[1]));
    assert_eq!(column(&lines[0]), "11:06:40.000  ".len() + MAX_SRC);
}

#[test]
fn a_record_of_several_attempts_has_their_number() {
    let mut record = attempt(0, external(), external(), Outcome::Established);
    if let Event::Attempt(attempt) = &mut record.event {
        (attempt.count, attempt.latency_us) = (412, None);
    }
    assert!(text(std::slice::from_ref(&record))[0].ends_with("established (412 alike)"));
}

#[test]
fn colour_wraps_the_words_only() {
    let mut text = Lines::new(look(true));
    let line = text.line(&attempt(0, external(), external(), Outcome::Established));
    assert!(line.contains("\u{1b}[32mestablished\u{1b}[0m 0.3ms"), "{line:?}");
    assert!(line.contains(" 1.1.1.1 -> 1.1.1.1:443 "), "{line:?}");
}

#[test]
fn names_cannot_drive_the_terminal() {
    let evil = Endpoint { pod: Some("x\u{1b}[2J\ny".into()), ..pod("web", "x") };
    let lines = text(&[attempt(0, evil, external(), Outcome::Established)]);
    assert!(lines[0].contains("web/x?[2J?y ->"), "{:?}", lines[0]);
}

#[test]
fn resets_name_who_and_when() {
    let mut record = reset(0, external(), external());
    if let Event::Reset(reset) = &mut record.event {
        reset.by = Side::Client;
    }
    assert!(
        text(std::slice::from_ref(&record))[0]
            .ends_with("reset       by client, orphan (its start was not seen here)")
    );
    let mut sent_by = |sent_by, reason: Option<&str>| {
        if let Event::Reset(reset) = &mut record.event {
            reset.origin = RstOrigin { sent_by: Some(sent_by), reason: reason.map(Into::into) };
        }
        text(std::slice::from_ref(&record)).remove(0)
    };
    let line = sent_by(SentBy::KernelTcp, Some("tcp_abort_on_close"));
    assert!(line.ends_with("by client, orphan (its start was not seen here), tcp_abort_on_close"), "{line}");
    let line = sent_by(SentBy::NotKernelTcp, None);
    assert!(
        line.ends_with("by client, orphan (its start was not seen here), not from the kernel's TCP"),
        "{line}"
    );
}

#[test]
fn refusals_have_their_reason() {
    let mut record = attempt(0, external(), external(), Outcome::Refused);
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.origin = RstOrigin { sent_by: Some(SentBy::KernelTcp), reason: Some("no_socket".into()) };
    }
    assert!(text(&[record])[0].ends_with("refused     (no_socket) 0.3ms"));
}

#[test]
fn attempts_name_the_change_that_enforcement_lags_behind() {
    let mut record = attempt(0, external(), external(), Outcome::Established);
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.enforcement_lag = Some(EnforcementLag { since: LagSince::Policy, age_us: 3_214_000 });
    }
    let line = &text(&[record])[0];
    assert!(line.ends_with("0.3ms [enforcement lags: 3.21s after the policies changed]"), "{line}");
}

#[test]
fn checks_name_the_step_that_failed_and_the_reason() {
    let check = |step: Option<CheckStep>, error: Option<&str>| FlowRecord {
        time: at(0),
        node: "n".into(),
        event: Event::Check(Check {
            name: "tf-lock".into(),
            ok: step.is_none(),
            step,
            error: error.map(Into::into),
            duration_us: 5_000_400,
            src: host("archbox"),
            dst: external(),
        }),
    };
    let lines = text(&[
        check(None, None),
        check(Some(CheckStep::Hold), Some("connection reset after 1s 200ms of 5s")),
    ]);
    assert!(lines[0].ends_with("node archbox:9 -> 1.1.1.1:443  check       tf-lock ok 5.00s"), "{lines:?}");
    let failed = "check       tf-lock failed at hold: connection reset after 1s 200ms of 5s";
    assert!(lines[1].ends_with(failed), "{lines:?}");
}

#[test]
fn announcements_name_the_vip_and_both_hosts() {
    let line = |announcement| {
        text(&[FlowRecord { time: at(5), node: "n".into(), event: Event::Announcement(announcement) }])
            .remove(0)
    };
    let first = Announcement {
        ip: [10, 0, 20, 200].into(),
        mac: Mac([2, 0, 0, 0, 0, 4]),
        claimant: Some("k8s-node4".into()),
        previous: None,
        r#move: false,
        how: Announced::Arp,
        services: vec![],
    };
    let expected = "11:06:45.000  10.0.20.200  announcement by k8s-node4, MAC 02:00:00:00:00:04 (ARP)";
    assert_eq!(line(first.clone()), expected);
    let moved = Announcement {
        previous: Some("k8s-node3".into()),
        r#move: true,
        how: Announced::GratuitousRequest,
        services: vec!["dbaas/postgresql-lb".into()],
        ..first
    };
    let expected = "11:06:45.000  10.0.20.200 (dbaas/postgresql-lb)  announcement moved k8s-node3 -> k8s-node4, \
                    MAC 02:00:00:00:00:04 (gratuitous request)";
    assert_eq!(line(moved.clone()), expected);
    let unknown = Announcement { previous: None, claimant: None, ..moved };
    assert!(line(unknown).contains("moved to unknown node, MAC"));
}

#[test]
fn changes_of_policies_are_sentences() {
    let change = PolicyChange {
        object: "NetworkPolicy".into(),
        namespace: Some("data".into()),
        name: "cache-ingress".into(),
        change: ChangeVerb::Changed,
        manager: Some("OpenTofu".into()),
        summary: "NetworkPolicy data/cache-ingress was changed at 2026-04-29T10:00:00Z by OpenTofu".into(),
    };
    let record = FlowRecord { time: at(5), node: "n".into(), event: Event::PolicyChange(change) };
    let expected = "11:06:45.000  policy      NetworkPolicy data/cache-ingress was changed at 2026-04-29T10:00:00Z by OpenTofu";
    assert_eq!(text(&[record])[0], expected);
}

#[test]
fn latencies_have_a_fitting_unit() {
    let read = [45, 310, 12_340, 1_004_000].map(latency);
    assert_eq!(read, ["45us", "0.3ms", "12.3ms", "1.00s"]);
}

#[test]
fn records_of_a_newer_agent_are_printed_raw() {
    let mut printer = RecordPrinter::new(printer(Vec::new(), Format::Text));
    printer.line(r#"{"kind":"announcement"}"#).unwrap();
    assert_eq!(printer.out.out, b"{\"kind\":\"announcement\"}\n");
}
