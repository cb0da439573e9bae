//! Pods, owners, nodes, lists and other shapes of input.

use rstest::rstest;

use super::*;

#[test]
fn a_pod_is_read_in_full() {
    let inventory = inventory(
        "apiVersion: v1
kind: Pod
metadata:
  namespace: postgres
  name: pal-e-postgres-1
  uid: 1b0c
  creationTimestamp: 2026-11-20T10:00:00Z
  deletionTimestamp: 2026-11-21T10:00:00Z
  labels: {cnpg.io/cluster: pal-e-postgres}
  ownerReferences:
  - {apiVersion: postgresql.cnpg.io/v1, kind: Cluster, name: pal-e-postgres, uid: x, controller: true}
spec:
  nodeName: archbox
  initContainers:
  - {name: setup, ports: [{containerPort: 1}]}
  - {name: proxy, restartPolicy: Always, ports: [{containerPort: 15001}]}
  containers:
  - name: postgres
    ports: [{name: postgresql, containerPort: 5432}, {name: dns, containerPort: 53, protocol: UDP}]
status:
  phase: Running
  startTime: 2026-11-20T10:00:05Z
  podIP: 10.42.0.12
  podIPs: [{ip: 10.42.0.12}, {ip: 'fd00::c'}]
",
    );
    let pod = pod(&inventory, "pal-e-postgres-1");
    assert_eq!((&*pod.namespace, &*pod.uid, pod.node.as_deref()), ("postgres", "1b0c", Some("archbox")));
    assert_eq!(pod.ips, ["10.42.0.12".parse::<std::net::IpAddr>().unwrap(), "fd00::c".parse().unwrap()]);
    assert_eq!(pod.start.unwrap().to_string(), "2026-11-20T10:00:05Z");
    assert!(pod.deleting && !pod.finished && !pod.host_network);
    assert_eq!((&*pod.workload.kind, &*pod.workload.name), ("Cluster", "pal-e-postgres"));
    let ports: Vec<_> = pod.ports.iter().map(|p| (p.name.as_deref(), &*p.protocol, p.port)).collect();
    assert_eq!(ports, [(Some("postgresql"), "TCP", 5432), (Some("dns"), "UDP", 53), (None, "TCP", 15001)]);
    assert_eq!(inventory.objects.get("Pod"), Some(&1));
}

#[rstest]
#[case("Running", 1, false)]
#[case("Pending", 1, false)]
#[case("Succeeded", 0, true)]
#[case("Failed", 0, true)]
fn a_finished_pod_owns_no_address(#[case] phase: &str, #[case] ips: usize, #[case] finished: bool) {
    let inventory = inventory(&mk_pod("a", "10.0.0.1").replace("Running", phase));
    assert_eq!((pod(&inventory, "a").ips.len(), pod(&inventory, "a").finished), (ips, finished));
}

/// A pod in `default`, with an owner and a label.
fn mk_owned(owner: &str, label: &str) -> String {
    format!(
        "---
kind: Pod
apiVersion: v1
metadata: {{name: p, labels: {{{label}}}, ownerReferences: [{{apiVersion: v1, uid: x, controller: true, {owner}}}]}}
"
    )
}

fn mk_owner(kind: &str, api: &str, name: &str, owner: &str) -> String {
    let owners = match owner {
        "" => String::new(),
        owner => format!(", ownerReferences: [{{apiVersion: v1, uid: x, controller: true, {owner}}}]"),
    };
    format!("---\nkind: {kind}\napiVersion: {api}\nmetadata: {{name: {name}{owners}}}\n")
}

#[rstest]
#[case::by_hash("kind: ReplicaSet, name: web-5d9", "pod-template-hash: 5d9", "", "Deployment/web")]
#[case::hash_of_another(
    "kind: ReplicaSet, name: web-5d9",
    "pod-template-hash: 7f7",
    "",
    "ReplicaSet/web-5d9"
)]
#[case::no_hash("kind: ReplicaSet, name: web-5d9", "", "", "ReplicaSet/web-5d9")]
#[case::by_object(
    "kind: ReplicaSet, name: odd", "",
    &mk_owner("ReplicaSet", "apps/v1", "odd", "kind: Deployment, name: web"), "Deployment/web"
)]
#[case::rollout(
    "kind: ReplicaSet, name: web-5d9", "pod-template-hash: 5d9",
    &mk_owner("ReplicaSet", "apps/v1", "web-5d9", "kind: Rollout, name: web"), "Rollout/web"
)]
#[case::lone_replica_set(
    "kind: ReplicaSet, name: web-5d9", "pod-template-hash: 5d9",
    &mk_owner("ReplicaSet", "apps/v1", "web-5d9", ""), "ReplicaSet/web-5d9"
)]
#[case::job("kind: Job, name: backup-29", "", "", "Job/backup-29")]
#[case::cron_job(
    "kind: Job, name: backup-29", "",
    &mk_owner("Job", "batch/v1", "backup-29", "kind: CronJob, name: backup"), "CronJob/backup"
)]
#[case::stateful_set("kind: StatefulSet, name: db", "", "", "StatefulSet/db")]
#[case::daemon_set("kind: DaemonSet, name: agent", "", "", "DaemonSet/agent")]
#[case::static_pod("kind: Node, name: k1", "", "", "Pod/p")]
fn workloads(#[case] owner: &str, #[case] label: &str, #[case] more: &str, #[case] expect: &str) {
    let inventory = inventory(&format!("{}{more}", mk_owned(owner, label)));
    let workload = &pod(&inventory, "p").workload;
    assert_eq!(format!("{}/{}", workload.kind, workload.name), expect);
}

#[test]
fn a_pod_without_owner_is_its_own_workload_in_the_default_namespace() {
    let inventory = inventory("kind: Pod\napiVersion: v1\nmetadata: {name: lone}\n");
    let pod = pod(&inventory, "lone");
    assert_eq!((&*pod.namespace, &*pod.workload.kind, &*pod.workload.name), ("default", "Pod", "lone"));
}

#[test]
fn nodes_and_namespaces() {
    let inventory = inventory(
        "kind: Node
apiVersion: v1
metadata: {name: k1, labels: {zone: a}}
spec: {podCIDR: 10.42.0.0/24, podCIDRs: [10.42.0.0/24, 'fd42::/64']}
status: {addresses: [{type: InternalIP, address: 192.168.1.7}, {type: Hostname, address: k1}, {type: ExternalIP, address: 'fd00::7'}]}
---
kind: Namespace
apiVersion: v1
metadata: {name: web, labels: {team: a}}
",
    );
    assert_eq!(inventory.nodes[0].ips.len(), 2);
    assert_eq!(inventory.nodes[0].pod_cidrs, ["10.42.0.0/24", "fd42::/64"]);
    assert_eq!(&*inventory.namespaces[0].labels["team"], "a");
}

#[test]
fn every_shape_of_input_gives_the_same_pods() {
    let [a, b, c] = ["a", "b", "c"].map(|name| mk_pod(name, "10.0.0.9"));
    let json = |yaml: &str| {
        serde_json::to_string(&serde_yaml_ng::from_str::<serde_json::Value>(yaml).unwrap()).unwrap()
    };
    let bare = |yaml: &str| yaml.replace("apiVersion: v1, kind: Pod, ", "");
    let shapes = [
        ("documents.yaml", format!("---\n# one\n{a}---\n{b}\n...\n---\n---\n{c}---\n")),
        ("crlf.yml", format!("{a}---\n{b}---\n{c}").replace('\n', "\r\n")),
        ("list.yaml", format!("kind: List\napiVersion: v1\nitems:\n- {a}- {b}- {c}")),
        (
            "nested.yaml",
            format!("kind: List\napiVersion: v1\nitems:\n- kind: List\n  items: [{a}, {b}]\n- {c}"),
        ),
        (
            "typed.yaml",
            format!("kind: PodList\napiVersion: v1\nitems:\n- {}- {}- {}", bare(&a), bare(&b), bare(&c)),
        ),
        ("array.json", format!("[{},{},{}]", json(&a), json(&b), json(&c))),
        ("concatenated.json", format!("{}{}\n{}", json(&a), json(&b), json(&c))),
        ("lines.json", format!("{}\n{}\n{}\n", json(&a), json(&b), json(&c))),
        ("json.yaml", format!("{}\n---\n{}\n{}\n", json(&a), json(&b), json(&c))),
        ("bom.yaml", format!("\u{feff}{a}---\n{b}---\n{c}")),
        ("directive.yaml", format!("%YAML 1.1\n---\n{a}---\n{b}---\n{c}")),
    ];
    for (name, text) in shapes {
        let loaded = loaded(&[(name, &text)]);
        assert_eq!(loaded.problems, [], "{name}");
        assert_eq!(names(&loaded.inventory), ["a", "b", "c"], "{name}");
    }
}

#[test]
fn directories_are_read_recursively_and_hidden_ones_are_not() {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| mk_pod(name, "10.0.0.9"));
    let files = [
        ("a.yaml", &*a),
        ("deep/er/b.yml", &b),
        ("notes.txt", &c),
        ("..2026/d.yaml", &d),
        (".git/e.yaml", "x: ["),
    ];
    let dir = directory(&files);
    std::os::unix::fs::symlink(dir.path(), dir.path().join("deep/loop")).unwrap();
    let loaded = load(dir.path()).unwrap();
    assert_eq!((names(&loaded.inventory), loaded.problems), (vec!["a", "b"], vec![]));
}

#[test]
fn a_single_file_may_have_any_name() {
    let dir = directory(&[("export", &mk_pod("a", "10.0.0.9"))]);
    assert_eq!(names(&load(&dir.path().join("export")).unwrap().inventory), ["a"]);
}

#[test]
fn other_kinds_are_counted() {
    let inventory = inventory(
        "kind: NetworkPolicy
apiVersion: networking.k8s.io/v1
metadata: {name: a, namespace: b}
---
{kind: Deployment, apiVersion: apps/v1, metadata: {name: a}}
---
{kind: Service, apiVersion: serving.knative.dev/v1, metadata: {name: a}, spec: {template: {}}}
---
{kind: Deployment, apiVersion: apps/v1, metadata: {name: a, namespace: other}}
",
    );
    let counts: Vec<_> = inventory.objects.iter().map(|(k, n)| (&**k, *n)).collect();
    assert_eq!(counts, [("Deployment", 2), ("NetworkPolicy", 1), ("Service.serving.knative.dev", 1)]);
    assert!(inventory.services.is_empty());
}
