//! Addresses that load balancers announce.

use rstest::rstest;

use super::*;

/// A Service with this spec, status and annotations.
fn mk(spec: &str, ingress: &str, annotations: &str) -> String {
    format!(
        "{{kind: Service, apiVersion: v1, metadata: {{name: db, namespace: dbaas, annotations: {{{annotations}}}}}, \
         spec: {{{spec}}}, status: {{loadBalancer: {{ingress: [{ingress}]}}}}}}\n"
    )
}

fn vips(inventory: &Inventory) -> Vec<String> {
    service(inventory, "db").vips.iter().map(ToString::to_string).collect()
}

#[rstest]
#[case("", "{ip: 10.0.20.200}, {hostname: lb.example}, {ip: 'fd00::20'}", "", &["10.0.20.200", "fd00::20"])]
#[case("loadBalancerIP: 10.0.20.200", "", "", &["10.0.20.200"])]
#[case("externalIPs: [192.0.2.1, '::ffff:192.0.2.1']", "", "", &["192.0.2.1"])]
#[case("", "", "metallb.io/loadBalancerIPs: '10.0.20.200, fd00:0::20'", &["10.0.20.200", "fd00::20"])]
#[case("", "", "metallb.universe.tf/loadBalancerIPs: 10.0.20.200", &["10.0.20.200"])]
#[case("", "", "kube-vip.io/loadbalancerIPs: '10.0.20.201,10.0.20.200'", &["10.0.20.201", "10.0.20.200"])]
#[case("loadBalancerIP: 10.0.20.1", "{ip: 10.0.20.1}", "kube-vip.io/loadbalancerIPs: 10.0.20.1", &["10.0.20.1"])]
#[case("loadBalancerIP: 10.0.20.1", "{ip: 10.0.20.2}", "metallb.io/loadBalancerIPs: 10.0.20.3", &["10.0.20.1", "10.0.20.2", "10.0.20.3"])]
#[case("clusterIP: 10.43.0.1", "", "other: 10.0.20.1", &[])]
// 0.0.0.0 asks for an address by DHCP.
#[case("loadBalancerIP: 0.0.0.0", "", "kube-vip.io/loadbalancerIPs: 0.0.0.0", &[])]
#[case("", "", "metallb.io/loadBalancerIPs: ' , '", &[])]
fn from_everywhere(
    #[case] spec: &str,
    #[case] ingress: &str,
    #[case] annotations: &str,
    #[case] expect: &[&str],
) {
    assert_eq!(vips(&inventory(&mk(spec, ingress, annotations))), expect);
}

#[rstest]
#[case("", "kube-vip.io/loadbalancerIPs: '10.0.20.1,10.0.20,10.0.20.2/32'", &["10.0.20.1"],
    &["kube-vip.io/loadbalancerIPs `10.0.20` is not an IP address", "kube-vip.io/loadbalancerIPs `10.0.20.2/32` is not an IP address"])]
#[case("loadBalancerIP: lb.example, externalIPs: [10.0.20.1]", "", &["10.0.20.1"],
    &["external IP `lb.example` is not an IP address"])]
#[case("externalIPs: [127.0.0.1, 224.0.0.18, 255.255.255.255, 10.0.20.1]", "metallb.io/loadBalancerIPs: 'ff02::1'", &["10.0.20.1"],
    &["127.0.0.1 is no address that can be announced", "224.0.0.18 is no address that can be announced",
      "255.255.255.255 is no address that can be announced", "ff02::1 is no address that can be announced"])]
fn garbage_is_noted(
    #[case] spec: &str,
    #[case] annotations: &str,
    #[case] expect: &[&str],
    #[case] notes: &[&str],
) {
    let loaded = loaded(&[("c.yaml", &mk(spec, "", annotations))]);
    assert_eq!(vips(&loaded.inventory), expect);
    let messages: Vec<_> = loaded.problems.iter().map(|problem| &problem.message[..]).collect();
    let expect: Vec<_> = notes.iter().map(|note| format!("Service dbaas/db: {note}")).collect();
    assert_eq!(messages, expect);
}

#[test]
fn a_very_long_list_is_cut() {
    let list = (0..2000u32).map(|i| format!("10.1.{}.{},", i / 256, i % 256)).collect::<String>();
    let annotations = format!("metallb.io/loadBalancerIPs: '{list}'");
    let loaded = loaded(&[("c.yaml", &mk("", "", &annotations))]);
    assert_eq!((vips(&loaded.inventory).len(), loaded.problems.len()), (256, 1));
    let long = format!("metallb.io/loadBalancerIPs: '{}'", "x".repeat(100_000));
    let loaded = crate::tests::loaded(&[("c.yaml", &mk("", "", &long))]);
    assert!(loaded.problems[0].message.len() < 300);
}
