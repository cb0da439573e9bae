use super::*;
use crate::config::testing;

fn options(cluster: Option<&str>, target: &str) -> Options {
    let check = format!("name = \"lock\"\ntarget = \"{target}\"");
    let flags: Vec<_> = cluster.into_iter().flat_map(|source| ["--cluster", source]).collect();
    Options { check: vec![toml::from_str(&check).unwrap()], ..testing::options(&flags) }
}

#[test]
fn a_service_needs_a_cluster() {
    for (cluster, target, fits) in [
        (None, "data/cache:80", false),
        (Some("none"), "data/cache:80", false),
        (Some("dir:/x"), "data/cache:80", true),
        (Some("kube"), "data/cache:80", true),
        (None, "10.0.0.1:80", true),
    ] {
        let valid = validate(&options(cluster, target));
        assert_eq!(valid.is_ok(), fits, "{cluster:?} {target}: {valid:?}");
    }
}
