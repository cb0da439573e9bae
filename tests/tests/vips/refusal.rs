//! A move that changes a client's address, and so its policy.

use std::io::ErrorKind;

use lab::firewall::{Firewall, Refusal};
use lab::traffic::connect;
use lab::vip::{NODES, PORT, SERVICE, Setup, Traffic};
use serde_json::json;

use crate::stage::{Stage, metallb};

/// The policy admits the client by its address. It has that address at the pod's own node. Through the other node it
/// comes with that node's address, and is refused.
#[test]
fn a_masqueraded_source_is_not_admitted() {
    let mut stage = Stage::new(Setup { traffic: Traffic::Cluster, shared: true, ..Setup::default() });
    let (client, pod) = (stage.site.client.ip4, &stage.site.pods[0]);
    stage
        .site
        .world
        .cluster
        .apply(&json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"namespace": "dbaas", "name": "clients"},
            "spec": {
                "podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"ipBlock": {"cidr": format!("{client}/32")}}]}],
            },
        }))
        .unwrap();
    let firewall =
        Firewall::new(&stage.site.world.node, pod, (PORT, PORT), Refusal::PortUnreachable).unwrap();
    firewall.allow(client.into()).unwrap();
    stage.site.converse(1).unwrap();

    let mac = stage.site.move_to(1, metallb()).unwrap();
    stage.moved_once(mac);
    let to = stage.site.vip.at();
    for _ in 0..3 {
        let error = connect(&stage.site.client.ns, to).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    let [enforcer, announcer] = &stage.agents;
    let of_client =
        |r: &serde_json::Value| r["src"]["ip"] == client.to_string() && r["outcome"] == "rejected";
    let at_vip = announcer.wait_flow("kind=attempt", of_client).unwrap();
    assert_eq!(at_vip["dst"]["service"], SERVICE, "{at_vip}");
    assert_eq!(at_vip["dst"]["pod"], stage.site.pods[0].name.as_str(), "{at_vip}");
    assert_eq!(at_vip["verdict"]["decision"], "deny", "judged by the address that it comes with: {at_vip}");
    let found = announcer.wait_finding("policy_denied", "active", |_| true).unwrap();
    assert_eq!(found["policies"], json!(["dbaas/clients"]), "{found}");
    // The tunnel hides the SYN from the other node's uplink, and the firewall drops it before a pod's veth.
    let masqueraded = stage.site.second.pod_ip4(0).to_string();
    let of_client =
        |r: &serde_json::Value| r["src"]["ip"] == masqueraded.as_str() && r["enforcer"] == "logged";
    let dropped = enforcer.wait_flow("kind=drop", of_client).unwrap();
    assert_eq!(dropped["verdict"]["decision"], "deny", "{dropped}");

    stage.site.move_to(0, metallb()).unwrap();
    stage.site.converse(1).unwrap();
    stage.agents.iter().for_each(|agent| drop(stage.claimed_by(agent, NODES[0])));
}
