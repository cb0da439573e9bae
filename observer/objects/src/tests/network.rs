//! What objects show of the network: ports of nodes, addresses of load balancers, enforcers, caches, templates.

use flow_model::inventory::{HostPort, ProbeKind};
use flow_model::network::{Enforcer, LocalDns, Route};
use rstest::rstest;

use super::*;

#[test]
fn a_pod_shows_ports_of_its_node_and_which_of_its_ports_are_sidecars() {
    let inventory = inventory(
        "apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: web}
spec:
  containers:
  - {name: a, ports: [{containerPort: 8443, hostPort: 443}, {containerPort: 53, hostPort: 53, hostIP: 192.0.2.1}, {containerPort: 80, hostPort: 80, hostIP: 0.0.0.0}, {containerPort: 81}]}
  initContainers:
  - {name: b, restartPolicy: Always, ports: [{name: metrics, containerPort: 9187}]}
status: {phase: Running, podIP: 10.42.0.5, hostIP: 192.0.2.11, hostIPs: [{ip: 192.0.2.11}, {ip: 'fd00::11'}]}
",
    );
    let edge = pod(&inventory, "edge");
    let ports: Vec<_> = edge.ports.iter().map(|port| (port.port, port.host, port.sidecar)).collect();
    let on = |port, ip: Option<&str>| Some(HostPort { port, ip: ip.map(|ip| ip.parse().unwrap()) });
    assert_eq!(
        ports,
        [
            (8443, on(443, None), false),
            (53, on(53, Some("192.0.2.1")), false),
            (80, on(80, None), false),
            (81, None, false),
            (9187, None, true)
        ]
    );
    assert_eq!(
        edge.host_ips,
        ["192.0.2.11".parse::<std::net::IpAddr>().unwrap(), "fd00::11".parse().unwrap()]
    );
}

/// What runs inside the pod, or goes to another host, does not come from the kubelet to a port of the pod.
#[test]
fn a_pod_shows_the_probes_that_connect_to_it() {
    let inventory = inventory(
        "apiVersion: v1
kind: Pod
metadata: {name: edge, namespace: web}
spec:
  containers:
  - name: a
    ports: [{name: http, containerPort: 8080}]
    livenessProbe: {httpGet: {port: http, path: /}}
    readinessProbe: {tcpSocket: {port: 9}}
    startupProbe: {grpc: {port: 9000}}
  - {name: b, livenessProbe: {exec: {command: [check]}}, readinessProbe: {httpGet: {host: 192.0.2.9, port: 80}}}
  - {name: c, livenessProbe: {tcpSocket: {port: nowhere}}, readinessProbe: {tcpSocket: {port: 70000}}}
  initContainers:
  - {name: d, restartPolicy: Always, startupProbe: {tcpSocket: {port: 9187}}}
status: {phase: Running, podIP: 10.42.0.5}
",
    );
    let probes: Vec<_> = pod(&inventory, "edge").probes.iter().map(|p| (p.kind, p.port)).collect();
    let expected = [
        (ProbeKind::Startup, 9187),
        (ProbeKind::Liveness, 8080),
        (ProbeKind::Readiness, 9),
        (ProbeKind::Startup, 9000),
    ];
    assert_eq!(probes, expected);
}

#[test]
fn a_service_shows_how_nodes_treat_it() {
    let inventory = inventory(
        "apiVersion: v1
kind: Service
metadata: {name: edge, namespace: web}
spec: {type: LoadBalancer, clusterIP: 10.43.0.5, internalTrafficPolicy: Local, loadBalancerSourceRanges: [203.0.113.0/28, ' 198.51.100.0/24'], ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.200, ipMode: VIP}, {ip: 192.0.2.201, ipMode: Proxy}]}}
---
apiVersion: v1
kind: Service
metadata: {name: headless, namespace: web}
spec: {clusterIP: None, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: alias, namespace: web}
spec: {type: ExternalName, externalName: db.example.org}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: headless-1, namespace: web, labels: {kubernetes.io/service-name: headless}}
addressType: IPv4
ports: [{port: 80}]
endpoints: [{addresses: [198.51.100.9, 198.51.100.10], nodeName: n1}]
",
    );
    let edge = service(&inventory, "edge");
    let ips = |ips: &[std::net::IpAddr]| ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(
        (ips(&edge.external_ips), ips(&edge.proxied_ips)),
        ("192.0.2.200".into(), "192.0.2.201".into())
    );
    assert_eq!(ips(&edge.vips), "192.0.2.200 192.0.2.201");
    assert_eq!((edge.internal_local, edge.headless, edge.source_ranges.len()), (true, false, 2));
    let headless = service(&inventory, "headless");
    assert!(headless.headless);
    let backends: Vec<_> = headless.backends.iter().map(|b| (b.ip.to_string(), b.node.as_deref())).collect();
    assert_eq!(backends, [("198.51.100.9".to_owned(), Some("n1"))], "only the first address counts");
    assert_eq!(service(&inventory, "alias").external_name.as_deref(), Some("db.example.org"));
}

fn daemon(name: &str, args: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {{name: {name}, namespace: kube-system}}\n\
         spec: {{template: {{metadata: {{labels: {{k8s-app: {name}}}}}, spec: {{hostNetwork: true, \
         containers: [{{name: main, args: [{args}]}}]}}}}}}\n"
    )
}

fn node(version: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1, annotations: {{flannel.alpha.coreos.com/backend-type: vxlan}}}}\n\
         status: {{nodeInfo: {{kubeletVersion: {version}}}}}\n"
    )
}

#[rstest]
#[case::nothing(&[node("v1.34.1")], Enforcer::Spec)]
#[case::k3s(&[node("v1.34.1+k3s1")], Enforcer::KubeRouter)]
#[case::kube_router(&[daemon("kube-router", "--run-router=true")], Enforcer::KubeRouter)]
#[case::kube_router_without_a_firewall(&[daemon("kube-router", "--run-firewall=false")], Enforcer::Spec)]
#[case::calico(&[daemon("calico-node", "")], Enforcer::Calico)]
#[case::calico_on_k3s(&[node("v1.34.1+k3s1"), daemon("calico-node", "")], Enforcer::Calico)]
#[case::cilium(&[daemon("cilium", "")], Enforcer::Cilium)]
fn enforcers(#[case] objects: &[String], #[case] expected: Enforcer) {
    assert_eq!(inventory(&objects.concat()).enforcer, expected);
}

#[rstest]
#[case::separate("-localip, '169.254.20.10,10.43.0.10', -conf, /etc/Corefile", &["169.254.20.10", "10.43.0.10"])]
#[case::joined("'-localip=169.254.20.10'", &["169.254.20.10"])]
#[case::not_known("", &[])]
fn a_dns_cache(#[case] args: &str, #[case] ips: &[&str]) {
    let ips = ips.iter().map(|ip| ip.parse().unwrap()).collect();
    assert_eq!(inventory(&daemon("node-local-dns", args)).local_dns, Some(LocalDns { ips }));
}

#[test]
fn a_node_shows_its_way_to_other_nodes() {
    assert_eq!(inventory(&node("v1.34.1")).nodes[0].route, Route::Tunnel);
}

#[test]
fn workloads_are_kept_by_the_pods_that_they_would_make() {
    let inventory = inventory(
        "apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: ops}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: [{name: c}]}}}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: nightly-1, namespace: ops, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: nightly, uid: u, controller: true}]}
spec: {template: {metadata: {labels: {app: nightly}}, spec: {containers: [{name: c}]}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: idle, namespace: ops}
spec: {replicas: 0, template: {metadata: {labels: {app: idle}}, spec: {containers: [{name: c, ports: [{containerPort: 80}]}]}}}
",
    );
    let templates: Vec<_> = inventory.templates.iter().map(|pod| (&*pod.workload.kind, &*pod.name)).collect();
    assert_eq!(templates, [("CronJob", "nightly"), ("Deployment", "idle")]);
    assert_eq!(inventory.objects.get("Deployment"), Some(&1), "they are counted as before");
}

/// Multus states all interfaces; the cluster's own are in the pod's status already.
#[rstest]
#[case("network-status", r#"[{"name": "cbr0", "ips": ["10.42.0.5"], "default": true}, {"name": "lan", "interface": "net1", "ips": ["192.168.1.205", "fd01::5"]}, {"name": "sriov"}]"#, &["192.168.1.205", "fd01::5"], "")]
#[case("networks-status", r#"[{"ips": ["192.168.1.205"]}]"#, &["192.168.1.205"], "")]
#[case("network-status", r#"[{"ips": ["10.42.0.5", "192.168.1.9", "127.0.0.1", "192.168.1.9"], "default": false}]"#, &["192.168.1.9"], "")]
#[case("network-status", "", &[], "")]
#[case("network-status", "[]", &[], "")]
#[case("network-status", "no list", &[], "network-status can't be read")]
#[case("network-status", r#"[{"ips": ["here", "192.168.1.9"]}]"#, &["192.168.1.9"], "is not an IP address")]
fn addresses_in_other_networks(
    #[case] annotation: &str,
    #[case] text: &str,
    #[case] expect: &[&str],
    #[case] problem: &str,
) {
    let pod = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: a, namespace: web, annotations: {{k8s.v1.cni.cncf.io/{annotation}: '{text}'}}}}
spec: {{}}
status: {{phase: Running, podIP: 10.42.0.5}}
"
    );
    let found = loaded(&[("pod.yaml", &pod)]);
    let ips: Vec<String> = found.inventory.pods[0].attached_ips.iter().map(ToString::to_string).collect();
    assert_eq!(ips, expect);
    let problems: Vec<&str> = found.problems.iter().map(|problem| &*problem.message).collect();
    assert_eq!(problems.is_empty(), problem.is_empty(), "{problems:?}");
    assert!(problems.iter().all(|message| message.contains(problem)), "{problems:?}");
}

#[test]
fn flannel_names_the_addresses_between_its_nodes() {
    let node = "apiVersion: v1
kind: Node
metadata: {name: a, annotations: {flannel.alpha.coreos.com/public-ip: 10.9.0.1, flannel.alpha.coreos.com/public-ipv6: 'fd09::1'}}
";
    let found: Vec<String> = inventory(node).nodes[0].flannel_ips.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.9.0.1", "fd09::1"]);
}
