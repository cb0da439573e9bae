use super::*;
use crate::sink::testing::{at, external, pod, service};

fn series(max_series: usize) -> BurstSeries {
    BurstSeries::new(&MetricsConfig { max_series, ..MetricsConfig::default() })
}

fn scraped(series: &BurstSeries) -> Vec<String> {
    let row = |((server, cause), n): (Key, u64)| format!("{server} {cause} {n}");
    series.rows().into_iter().map(row).collect()
}

#[test]
fn a_series_begins_with_zero_so_that_its_first_burst_is_an_increase() {
    let series = series(10);
    series.add(&service("dbaas", "postgresql-lb"), &"vip_move".into(), at(0));
    assert_eq!(scraped(&series), ["dbaas/postgresql-lb vip_move 0"]);
    assert_eq!(scraped(&series), ["dbaas/postgresql-lb vip_move 1"]);
    series.add(&service("dbaas", "postgresql-lb"), &"vip_move".into(), at(1));
    series.add(&service("dbaas", "postgresql-lb"), &"unknown".into(), at(1));
    assert_eq!(scraped(&series), ["dbaas/postgresql-lb unknown 0", "dbaas/postgresql-lb vip_move 2"]);
}

#[test]
fn the_rest_folds_and_what_is_gone_expires() {
    let series = series(2);
    for name in ["a-x-y", "b-x-y", "c-x-y", "d-x-y"] {
        series.add(&pod("data", name), &"unknown".into(), at(0));
    }
    series.add(&external(), &"vip_move".into(), at(0));
    scraped(&series);
    let rest = ["_other/_other unknown 2", "_other/_other vip_move 1"];
    assert_eq!(scraped(&series), [&rest[..], &["data/a unknown 1", "data/b unknown 1"]].concat());

    let grace = MetricsConfig::default().departed_grace.as_secs();
    series.depart(&["data/a".into(), "data/b".into()], at(1));
    series.add(&pod("data", "b-x-y"), &"unknown".into(), at(2));
    series.depart(&[], at(2 + grace));
    assert_eq!(scraped(&series), [&rest[..], &["data/b unknown 2"]].concat());
    series.depart(&[], at(3 + MetricsConfig::default().idle.as_secs()));
    assert_eq!(scraped(&series), [""; 0]);
}
