use flow_model::vip::Claim;
use prometheus_client::registry::Registry;

use super::*;
use crate::sink::testing::{at, vip};

fn text(series: &VipSeries) -> Vec<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(series.clone()));
    let mut out = String::new();
    prometheus_client::encoding::text::encode(&mut out, &registry).unwrap();
    out.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn claimed(node: Option<&str>, last: u8, services: &[&str]) -> Vip {
    let mac = flow_model::mac::Mac([2, 0, 0, 0, 0, last]);
    let claim = Claim { mac, node: node.map(Into::into), since: at(0), last_seen: at(0), received: false };
    Vip { claimant: Some(claim), ..vip(services) }
}

#[test]
fn only_the_current_announcer_has_a_series_and_moves_add_up() {
    let series = VipSeries::default();
    let db = r#"vip="10.0.20.200",service_namespace="dbaas",service="pg-lb""#;
    series.put(&claimed(Some("n3"), 3, &["dbaas/pg-lb"]));
    assert_eq!(text(&series)[0], format!("vip_moves_total{{{db},source=\"wire\"}} 0"));
    series.moved("10.0.20.200".parse().unwrap(), Some("dbaas/pg-lb".into()), ClaimSource::Wire);
    series.moved("10.9.9.9".parse().unwrap(), None, ClaimSource::Wire);
    series.put(&claimed(Some("n4"), 4, &["dbaas/pg-lb"]));
    series.add_unknown(7);
    let expected = [
        format!("vip_moves_total{{{db},source=\"wire\"}} 1"),
        format!("vip_announcer{{{db},node=\"n4\",mac=\"02:00:00:00:00:04\",source=\"wire\"}} 1"),
        "announcements_unknown_total 7".to_owned(),
    ];
    assert_eq!(text(&series), expected);
    series.remove("10.0.20.200".parse().unwrap());
    assert_eq!(text(&series), ["announcements_unknown_total 7"]);
}

#[test]
fn sources_services_and_missing_names_are_told_apart() {
    let series = VipSeries::default();
    let mut shared = claimed(None, 3, &["a/x", "b/y"]);
    shared.api = vec![flow_model::vip::ApiClaim {
        source: ClaimSource::L2Status,
        object: "metallb-system/l2-1".into(),
        node: Some("n3".into()),
        since: None,
    }];
    shared.api.push(flow_model::vip::ApiClaim { object: "m/l2-2".into(), ..shared.api[0].clone() });
    shared.api.push(flow_model::vip::ApiClaim { node: None, ..shared.api[0].clone() });
    series.put(&shared);
    let lines = text(&series);
    let count = |part: &str| lines.iter().filter(|line| line.contains(part)).count();
    assert_eq!((count("vip_moves_total"), count("vip_announcer")), (4, 4), "{lines:#?}");
    assert_eq!(count(r#"node="",mac="02:00:00:00:00:03",source="wire""#), 2);
    assert_eq!(count(r#"node="n3",mac="",source="l2status""#), 2);
    series.put(&vip(&[]));
    assert_eq!(
        text(&series)[0],
        r#"vip_moves_total{vip="10.0.20.200",service_namespace="",service="",source="wire"} 0"#
    );
}
