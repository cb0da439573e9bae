use super::super::Proxy;
use super::*;

#[test]
fn clusters_without_an_enforcer_or_with_two_nodes_are_refused() {
    let up =
        |enforcer, nodes| UpArgs { kubernetes: "1.34.4".into(), proxy: Proxy::Iptables, enforcer, nodes };
    assert!(check(&up(Enforcer::KubeRouter, 3)).is_ok());
    for (bad, option) in [(up(Enforcer::None, 3), "--enforcer"), (up(Enforcer::KubeRouter, 2), "--nodes")] {
        let error = check(&bad).unwrap_err();
        assert!(error.is::<Environment>() && error.to_string().contains(option), "{error}");
    }
}
