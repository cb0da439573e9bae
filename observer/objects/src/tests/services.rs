//! Services and their backends.

use super::*;

const SERVICE: &str = "kind: Service
apiVersion: v1
metadata: {name: api, namespace: web}
spec:
  clusterIP: 10.43.0.5
  clusterIPs: [10.43.0.5, 'fd43::5']
  externalIPs: [192.0.2.1]
  loadBalancerIP: 10.0.20.200
  selector: {app: web}
  ports:
  - {name: http, port: 80, targetPort: http, nodePort: 30080}
  - {name: admin, port: 81, targetPort: 8081}
status: {loadBalancer: {ingress: [{ip: 10.0.20.200}, {hostname: lb.example}]}}
---
";

const POD: &str = "kind: Pod
apiVersion: v1
metadata: {name: p, namespace: web, labels: {app: web, more: x}}
spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.42.0.9}], conditions: [{type: Ready, status: 'True'}]}
---
";

const SLICE: &str = "kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: api-x1, namespace: web, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints:
- {addresses: [10.42.0.9], conditions: {ready: true}, targetRef: {kind: Pod, name: p}}
- {addresses: [10.42.0.8], conditions: {ready: false}}
---
";

/// `ip:port/name ready` of each backend.
fn backends(yaml: &str) -> Vec<String> {
    let inventory = inventory(yaml);
    let backends = &service(&inventory, "api").backends;
    let line = |b: &flow_model::inventory::Backend| {
        let ready = if b.ready { "ready" } else { "not ready" };
        format!(
            "{}:{}/{} {ready} {}",
            b.ip,
            b.port,
            b.port_name.as_deref().unwrap_or("-"),
            b.pod.as_deref().unwrap_or("-")
        )
    };
    backends.iter().map(line).collect()
}

#[test]
fn addresses_and_ports() {
    let inventory = inventory(SERVICE);
    let service = service(&inventory, "api");
    assert_eq!(service.cluster_ips.len(), 2);
    let external: Vec<_> = service.external_ips.iter().map(ToString::to_string).collect();
    assert_eq!(external, ["192.0.2.1", "10.0.20.200"]);
    assert_eq!(
        (service.ports[0].node_port, service.ports[0].target_port.as_deref()),
        (Some(30080), Some("http"))
    );
    assert_eq!((service.ports[1].node_port, service.ports[1].target_port.as_deref()), (None, Some("8081")));
}

#[test]
fn a_headless_service_has_no_address() {
    let inventory = inventory(
        "kind: Service\napiVersion: v1\nmetadata: {name: api}\nspec: {clusterIP: None, clusterIPs: [None]}\n",
    );
    assert!(service(&inventory, "api").cluster_ips.is_empty());
}

/// A dump with `kubectl get endpoints` has them, and they are counted like other kinds that aren't read. Without slices that
/// is a problem, one for the whole dump.
#[test]
fn endpoints_are_not_read() {
    let endpoints = "kind: Endpoints
apiVersion: v1
metadata: {name: api, namespace: web}
subsets: [{addresses: [{ip: 10.42.9.9}], notReadyAddresses: [{ip: 10.42.9.8}], ports: [{name: http, port: 1}]}]
---
";
    let slices = ["10.42.0.8:8080/http not ready -", "10.42.0.9:8080/http ready p"];
    assert_eq!(backends(&[SERVICE, POD, SLICE, endpoints].concat()), slices);
    let second = endpoints.replace("name: api", "name: other");
    let files = [SERVICE, POD, endpoints, &second].concat();
    let dir = directory(&[("c.yaml", &files)]);
    let next = load(dir.path()).unwrap();
    assert_eq!(
        service(&next.inventory, "api").backends,
        service(&inventory(&[SERVICE, POD].concat()), "api").backends
    );
    assert_eq!((next.problems.len(), next.inventory.objects.get("Endpoints")), (1, Some(&2)));
    assert_eq!((&*next.problems[0].file, next.problems[0].line), (dir.path(), 0));
    let message = &next.problems[0].message;
    assert!(message.starts_with("has Endpoints, which are not read, and no EndpointSlices"), "{message}");
    // Another file of the dump may have them.
    let next = loaded(&[("a.yaml", endpoints), ("b.yaml", SLICE)]);
    assert_eq!(next.problems, []);
}

#[test]
fn slices_of_another_version_are_reported() {
    let text = [SERVICE, SLICE].concat().replace("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1");
    let next = loaded(&[("c.yaml", &text)]);
    assert!(
        next.problems[0].message.ends_with("`discovery.k8s.io/v1beta1` is not known; discovery.k8s.io/v1 is")
    );
    assert_eq!(service(&next.inventory, "api").backends, []);
}

#[test]
fn two_slices_are_joined_without_repeats() {
    let second = SLICE.replace("api-x1", "api-x2").replace("10.42.0.8", "10.42.0.7");
    assert_eq!(
        backends(&[SERVICE, SLICE, &second].concat()),
        ["10.42.0.7:8080/http not ready -", "10.42.0.8:8080/http not ready -", "10.42.0.9:8080/http ready p"]
    );
}

#[test]
fn an_empty_slice_means_no_backend() {
    let empty = "kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: api-x1, namespace: web, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
endpoints: null
ports: null
";
    assert_eq!(backends(&[SERVICE, POD, empty].concat()), Vec::<String>::new());
}

#[test]
fn without_slices_the_selector_finds_pods() {
    let other = POD.replace("name: p,", "name: q,").replace("app: web", "app: other");
    assert_eq!(
        backends(&[SERVICE, POD, &other].concat()),
        ["10.42.0.9:8081/admin ready p", "10.42.0.9:8080/http ready p"]
    );
    let unready = POD.replace("'True'", "'False'");
    assert!(backends(&[SERVICE, &unready].concat()).iter().all(|b| b.contains("not ready")));
}
