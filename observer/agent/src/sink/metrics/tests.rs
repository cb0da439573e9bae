use std::io::Write;
use std::process::{Command, Stdio};

use flow_model::decision::Decision;
use flow_model::flow::{Counts, Outcome};
use flow_model::output::Output;
use flow_model::record::{Endpoint, EnforcementLag, Event, FlowRecord, FlowVerdict};
use flow_model::vip::Claim;
use strum::VariantArray;

use super::*;
use crate::sink::testing::{attempt, external, finding, host, pair, pod, reset, resolved, service, vip};
use crate::sink::{Shared, SinkConfig, Sinks};

const HOSTILE: &str = "a\"b\\c\nd{e}=\u{e9}";

fn latent() -> LatentCount {
    LatentCount {
        src: pod("web", "front-5d-1"),
        dst: service("data", "db"),
        vantage: Vantage::Source,
        policy: "data/default-deny".into(),
        count: 3,
    }
}

fn announced() -> Vip {
    let mac = flow_model::mac::Mac([2, 0, 0, 0, 0, 4]);
    let (node, since) = (Some("k8s-node4".into()), Timestamp::UNIX_EPOCH);
    Vip {
        claimant: Some(Claim { mac, node, since, last_seen: since, received: false }),
        ..vip(&["dbaas/postgresql-lb"])
    }
}

/// A connection that was established while the change that refuses it was not enforced yet.
fn lagging() -> FlowRecord {
    let verdict = FlowVerdict {
        decision: Decision::Deny,
        direction: None,
        policies: Vec::new(),
        explanation: String::new(),
    };
    let mut record = attempt(1, pod("web", "front-5d-1"), service("data", "db"), Outcome::Established);
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.verdict = Some(verdict.into());
        attempt.enforcement_lag = Some(EnforcementLag { since: LagSince::Policy, age_us: 5 });
        attempt.latency_us = None;
    }
    record
}

/// Sinks that have seen one of everything.
fn filled() -> Arc<Shared> {
    let (mut sinks, shared) = Sinks::new(&SinkConfig::new("node1".into()));
    let front = pod("web", "front-5d-1");
    let odd = Endpoint { workload: Some(HOSTILE.into()), ..front.clone() };
    let counts = Counts { syn: 5, syn_retransmits: 2, rst: [[1, 2, 3], [4, 5, 6]], outcomes: [0, 0, 4, 0] };
    let drops = |pair| DropUpdate { pair, reason: "NETFILTER_DROP".into(), count: 3 };
    let outputs = [
        Output::Record(attempt(0, front.clone(), service("data", "db"), Outcome::Established)),
        Output::Pair(pair(front.clone(), service("data", "db"), counts)),
        Output::Pair(pair(odd, external(), counts)),
        Output::Pair(PairUpdate { pair: None, verdict: Decision::Unknown, counts }),
        Output::Drops(drops(Some((front, host("node1"), Vantage::Source)))),
        Output::Drops(drops(None)),
        Output::Lost { stage: LostStage::Ring, count: 9 },
        Output::RstBurst { dst: service("dbaas", "postgresql-lb"), cause: "vip_move".into() },
        Output::Pair(PairUpdate {
            verdict: Decision::Deny,
            ..pair(
                pod("jobs", "batch-1-a"),
                service("data", "db"),
                Counts { outcomes: [0, 0, 2, 0], ..counts },
            )
        }),
        Output::Finding(finding("a", 0).into()),
        Output::Finding(finding("b", 0).into()),
        Output::Finding(resolved(finding("b", 0), 1).into()),
        Output::LatentDenials(vec![latent()]),
        Output::ClusterObjects(vec![("Pod".into(), 12), ("Service".into(), 3)]),
        Output::ClusterObjects(vec![("Pod".into(), 11)]),
        Output::Vip(announced()),
        Output::VipMoved {
            vip: announced().ip,
            service: Some("dbaas/postgresql-lb".into()),
            source: ClaimSource::Wire,
        },
        Output::Vip(Vip { ip: [10, 0, 20, 9].into(), ..announced() }),
        Output::VipGone([10, 0, 20, 9].into()),
        Output::Unclaimed { count: 4 },
        Output::Record(lagging()),
        Output::UsualLag { since: LagSince::Policy, lag: SignedDuration::from_millis(9_600) },
        Output::EnforcementLag { since: LagSince::Policy, lag: SignedDuration::from_millis(3_200) },
    ];
    outputs.into_iter().for_each(|output| sinks.emit(output, Timestamp::now()));
    shared.metrics.declare_check("lock");
    shared.metrics.declare_check("idle");
    for (step, duration_us) in [(None, 1_500_000), (Some(CheckStep::Hold), 300_000)] {
        sinks.emit(Output::Check { name: "lock".into(), step, duration_us }, Timestamp::now());
    }
    let mut took = Latencies { sum: Duration::from_micros(5_300_300), ..Latencies::default() };
    (took.buckets[2], took.buckets[15]) = (1, 1);
    shared.metrics.add_handshakes(Vantage::Source, &took);
    shared.metrics.set_probe_attached("tc", true);
    shared.metrics.set_probe_attached("drops", false);
    shared.metrics.set_interfaces_followed("pod", 12);
    shared.metrics.set_map_entries("pairs", 200);
    shared.metrics.set_cluster_synced("Pod", Some(true));
    shared
}

pub(super) fn scrape(format: Format) -> String {
    filled().metrics.encode(format).unwrap()
}

#[test]
fn promtool_finds_no_fault() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install --no-install-recommends prometheus");
    promtool.stdin.take().unwrap().write_all(scrape(Format::Text).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && printed.is_empty(), "{}", String::from_utf8_lossy(&printed));
}

/// Returns the value of the one sample whose labels contain all of these.
#[track_caller]
fn value(text: &str, name: &str, labels: &[&str]) -> f64 {
    let prefix = format!("{name}{{");
    let matching = |line: &&str| {
        (line.starts_with(&prefix) || (labels.is_empty() && line.starts_with(&format!("{name} "))))
            && labels.iter().all(|label| line.contains(label))
    };
    let lines: Vec<&str> = text.lines().filter(matching).collect();
    assert_eq!(lines.len(), 1, "{name} {labels:?} in\n{text}");
    lines[0].rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// The reason of a RST comes with its record, and its number with the kernel's counters.
#[test]
fn resets_have_the_reasons_that_records_tell() {
    let (mut sinks, shared) = Sinks::new(&SinkConfig::new("node1".into()));
    shared.metrics.set_probe_attached("reset_reasons", true);
    let (src, dst) = (pod("web", "front-5d-1"), pod("data", "db-0"));
    let mut record = reset(0, src.clone(), dst.clone());
    let Event::Reset(told) = &mut record.event else { panic!("{record:?}") };
    told.origin.reason = Some("tcp_abort_on_close".into());
    let counts = Counts { rst: [[0; 3], [0, 0, 3]], ..Counts::default() };
    sinks.emit(Output::Record(record), Timestamp::now());
    sinks.emit(Output::Pair(pair(src, dst, counts)), Timestamp::now());
    let scraped = || {
        let text = shared.metrics.encode(Format::Text).unwrap();
        let of_resets = text.lines().filter(|line| line.starts_with("flow_observer_tcp_rst_total{"));
        of_resets.map(str::to_owned).collect::<Vec<_>>()
    };
    let (told, rest) = (r#"phase="orphan",reason="tcp_abort_on_close"} 1"#, r#"phase="orphan",reason=""} 2"#);
    let first = scraped();
    assert!(first.iter().any(|line| line.ends_with(told)), "{first:?}");
    // No reason can come any more.
    shared.metrics.set_probe_attached("reset_reasons", false);
    let then = scraped();
    assert!(
        then.len() == 2 && [told, rest].iter().all(|end| then.iter().any(|line| line.ends_with(end))),
        "{then:?}"
    );
}

#[test]
fn counts_and_labels_arrive() {
    let text = scrape(Format::Text);
    let front = r#"src_namespace="web",src_workload="front",dst_namespace="data",dst_workload="db",dst_port="5432",vantage="source""#;
    let value = |name: &str, labels: &[&str]| value(&text, &format!("flow_observer_{name}"), labels);
    assert_eq!(value("tcp_syn_total", &[front]), 5.0);
    assert_eq!(value("tcp_syn_retransmits_total", &[front]), 2.0);
    assert_eq!(value("tcp_rst_total", &[front, r#"by="client",phase="orphan""#]), 3.0);
    assert_eq!(value("tcp_rst_total", &[front, r#"by="server",phase="established""#]), 5.0);
    assert_eq!(value("connection_attempts_total", &[front, r#"outcome="rejected",verdict="unknown""#]), 4.0);
    assert_eq!(value("connection_attempts_total", &[front, r#"outcome="refused""#]), 0.0);

    let other = r#"src_namespace="_other",src_workload="_other",dst_namespace="_other",dst_workload="_other",dst_port="0",vantage="_other""#;
    assert_eq!(value("tcp_syn_total", &[other]), 5.0);
    assert_eq!(value("drops_total", &[other, r#"reason="NETFILTER_DROP""#]), 3.0);
    assert_eq!(value("drops_total", &[r#"dst_namespace="",dst_workload="_host""#]), 3.0);

    assert_eq!(value("events_lost_total", &[r#"stage="ring""#]), 9.0);
    for stage in LostStage::VARIANTS.iter().filter(|stage| **stage != LostStage::Ring) {
        assert_eq!(value("events_lost_total", &[&format!("stage=\"{}\"", stage.as_str())]), 0.0);
    }
    assert_eq!(value("handshake_seconds_count", &[r#"vantage="source""#]), 2.0);
    assert_eq!(value("handshake_seconds_sum", &[r#"vantage="source""#]), 5.3003);
    assert_eq!(value("handshake_seconds_bucket", &[r#"vantage="source""#, r#"le="5.0""#]), 1.0);
    assert_eq!(value("handshake_seconds_bucket", &[r#"vantage="source""#, r#"le="+Inf""#]), 2.0);
    assert_eq!(value("handshake_seconds_bucket", &[r#"vantage="source""#, r#"le="0.0005""#]), 1.0);
    assert_eq!(value("handshake_seconds_bucket", &[r#"vantage="source""#, r#"le="0.00025""#]), 0.0);
    assert_eq!(value("handshake_seconds_count", &[r#"vantage="transit""#]), 0.0);
    assert_eq!(value("cluster_objects", &[r#"kind="Pod""#]), 11.0);
    assert_eq!(value("cluster_objects", &[r#"kind="Service""#]), 0.0);
    assert_eq!(value("probe_attached", &[r#"probe="tc""#]), 1.0);
    assert_eq!(value("probe_attached", &[r#"probe="drops""#]), 0.0);
    assert_eq!(value("interfaces_followed", &[r#"role="pod""#]), 12.0);
    assert_eq!(value("pair_series", &[]), 4.0);

    let batch = r#"src_workload="batch""#;
    assert_eq!(value("connection_attempts_total", &[batch, r#"outcome="rejected",verdict="deny""#]), 2.0);
    assert_eq!(value("findings", &[r#"kind="policy_denied""#]), 1.0);
    for kind in &FindingKind::VARIANTS[1..] {
        assert_eq!(value("findings", &[&format!("kind=\"{}\"", kind.as_str())]), 0.0);
    }
    let subject = r#"kind="policy_denied",src_namespace="web",src_workload="front",dst_namespace="data",dst_workload="db",dst_port="5432",policy="data/deny",vip="""#;
    assert_eq!(value("active_findings", &[subject]), 1.0);
    let of_vip = r#"vip="10.0.20.200",service_namespace="dbaas",service="postgresql-lb""#;
    assert_eq!(value("vip_moves_total", &[of_vip, r#"source="wire""#]), 1.0);
    let claim = r#"node="k8s-node4",mac="02:00:00:00:00:04",source="wire""#;
    assert_eq!(value("vip_announcer", &[of_vip, claim]), 1.0);
    assert!(!text.contains("10.0.20.9\""), "one that is gone has no series");
    assert_eq!(value("announcements_unknown_total", &[]), 4.0);
    assert_eq!(value("latent_denials", &[front, r#"policy="data/default-deny""#]), 3.0);
    assert_eq!(value("build_info", &[concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"")]), 1.0);
}

#[test]
fn lags_of_enforcement_are_observed_and_what_slipped_through_is_counted() {
    let text = scrape(Format::Text);
    let value = |name: &str, labels: &[&str]| {
        value(&text, &format!("flow_observer_policy_enforcement_lag_{name}"), labels)
    };
    assert!(text.contains("flow_observer_policy_enforcement_usual_lag_seconds{since=\"policy\"} 9.6\n"));
    let (policy, pod) = ("since=\"policy\"", "since=\"pod\"");
    assert_eq!((value("seconds_count", &[policy]), value("seconds_count", &[pod])), (1.0, 0.0));
    assert_eq!(value("seconds_bucket", &[policy, "le=\"2.0\""]), 0.0);
    assert_eq!(value("seconds_bucket", &[policy, "le=\"5.0\""]), 1.0);
    assert_eq!(value("attempts_total", &[policy, "verdict=\"deny\""]), 1.0);
    assert_eq!(value("attempts_total", &[policy, "verdict=\"allow\""]), 0.0);
    assert_eq!(value("attempts_total", &[pod, "verdict=\"deny\""]), 0.0);
}

#[test]
fn checks_count_their_failures_from_zero() {
    let text = scrape(Format::Text);
    let value = |name: &str, labels: &[&str]| value(&text, &format!("flow_observer_{name}"), labels);
    for (step, failures) in [("connect", 0.0), ("exchange", 0.0), ("hold", 1.0), ("close", 0.0)] {
        let step = format!("step=\"{step}\"");
        assert_eq!(value("check_failures_total", &[r#"check="lock""#, &step]), failures, "{step}");
        assert_eq!(value("check_failures_total", &[r#"check="idle""#, &step]), 0.0, "{step}");
    }
    assert_eq!(value("check_up", &["check="]), 0.0, "the last run counts, and none is no news of `idle`");
    assert_eq!(value("check_duration_seconds_count", &[r#"check="lock""#]), 2.0);
    assert_eq!(value("check_duration_seconds_bucket", &[r#"le="0.5""#]), 1.0);
}

#[test]
fn hostile_label_values_are_escaped() {
    let text = scrape(Format::Text);
    let escaped = "src_workload=\"a\\\"b\\\\c\\nd{e}=\u{e9}\"";
    assert_eq!(value(&text, "flow_observer_tcp_syn_total", &[escaped, "_external"]), 5.0);
}

#[test]
fn openmetrics_names_families_without_the_suffix_and_ends_properly() {
    let openmetrics = scrape(Format::OpenMetrics);
    assert!(openmetrics.contains("# TYPE flow_observer_tcp_syn counter\n"));
    assert!(openmetrics.contains("# TYPE process_cpu_seconds counter\n"));
    assert!(openmetrics.ends_with("\n# EOF\n"));
    assert_eq!(openmetrics.matches("# EOF").count(), 1);
    let text = scrape(Format::Text);
    assert!(text.contains("# TYPE flow_observer_tcp_syn_total counter\n") && text.ends_with("\n# EOF\n"));
    let samples = |text: &str| text.lines().filter(|l| l.starts_with("flow_observer")).count();
    assert_eq!(samples(&openmetrics), samples(&text));
}

#[test]
fn bursts_are_counted_by_server_and_cause() {
    let shared = filled();
    let of = ["dst_namespace=\"dbaas\"", "dst_workload=\"postgresql-lb\"", "cause=\"vip_move\""];
    for expect in [0.0, 1.0, 1.0] {
        let text = shared.metrics.encode(Format::Text).unwrap();
        assert_eq!(value(&text, "flow_observer_rst_bursts_total", &of), expect);
    }
}
