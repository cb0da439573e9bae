use flow_model::flow::Vantage;

use super::*;
use crate::sink::testing::{pod, service};

fn count(client: usize, policy: &str) -> LatentCount {
    LatentCount {
        src: pod("web", &format!("c{client}-x-y")),
        dst: service("data", "db"),
        vantage: Vantage::Source,
        policy: policy.into(),
        count: 2,
    }
}

fn sums(latent: &LatentSeries) -> Vec<(String, u64)> {
    let series = latent.series.lock();
    let name = |key: &PairKey, policy| format!("{} {policy}", key.src.name);
    let mut sums: Vec<_> = series.iter().map(|((key, policy), n)| (name(key, policy), *n)).collect();
    sums.sort();
    sums
}

#[test]
fn each_list_replaces_the_last_and_the_rest_folds() {
    let latent = LatentSeries::default();
    let many = (0..10).map(|client| count(client, "data/deny"));
    latent.replace(many.chain([count(0, "data/deny")]).collect(), 3);
    let named = |client: usize, n| (format!("c{client} data/deny"), n);
    let other = ("_other _other".to_owned(), 14);
    assert_eq!(sums(&latent), [other, named(0, 4), named(1, 2), named(2, 2)]);

    latent.replace(vec![count(1, "data/deny"), count(1, "data/other")], 3);
    assert_eq!(sums(&latent), [named(1, 2), ("c1 data/other".into(), 2)]);
    latent.replace(vec![], 3);
    assert_eq!(sums(&latent), []);
}
