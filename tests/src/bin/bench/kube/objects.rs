//! Objects as in a real cluster, with all fields of controllers and kubelets that the agent doesn't need.

use std::net::Ipv4Addr;

use serde_json::{Map, Value, json};

const NAMESPACES: usize = 200;
const NODES: usize = 100;
/// Deployments; the pods are spread over them.
const WORKLOADS: usize = 1_500;
/// A Deployment keeps its last ten ReplicaSets.
const REVISIONS: usize = 10;
const PODS: usize = 10_000;
const SERVICES: usize = 1_500;
const POLICIES: usize = 1_000;
const THEN: &str = "2026-11-01T08:15:30Z";

type Make = fn(usize) -> Value;

/// Kinds, the number of objects of each, and the nth of them.
pub(super) const ALL: [(&str, usize, Make); 7] = [
    ("Namespace", NAMESPACES, namespace),
    ("Node", NODES, node),
    ("Pod", PODS, pod),
    ("ReplicaSet", WORKLOADS * REVISIONS, replica_set),
    ("Service", SERVICES, service),
    ("EndpointSlice", SERVICES, endpoint_slice),
    ("NetworkPolicy", POLICIES, policy),
];

/// Returns the namespace of a workload and of its objects.
fn namespace_of(workload: usize) -> String {
    format!("team-{}-prod", workload % NAMESPACES)
}

fn app(workload: usize) -> String {
    format!("backend-{workload}")
}

fn hash(workload: usize, revision: usize) -> String {
    format!("{:010x}", (workload * 7_919 + revision * 104_729) % 0xff_ffff_ffff)
}

fn pod_name(n: usize) -> String {
    format!("{}-{}-{:05x}", app(n % WORKLOADS), hash(n % WORKLOADS, 0), n)
}

fn address(base: [u8; 4], n: usize) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::from(base)) + n as u32)
}

fn pod_address(n: usize) -> Ipv4Addr {
    address([10, 42, 0, 2], n)
}

fn digest(n: usize) -> String {
    format!("{:064x}", n as u128 * 0x9e37_79b9_7f4a_7c15_u128)
}

fn labels(workload: usize) -> Value {
    json!({
        "app.kubernetes.io/name": app(workload), "app.kubernetes.io/instance": format!("release-{}", workload % 50),
        "app.kubernetes.io/part-of": format!("product-{}", workload % 20), "team": format!("team-{}", workload % NAMESPACES),
    })
}

/// The fields of one manager, in groups like `f:spec`.
fn managed(manager: &str, subresource: Option<&str>, fields: &[(&str, &[&str])]) -> Value {
    let group = |names: &[&str]| -> Map<String, Value> {
        names.iter().map(|name| (format!("f:{name}"), json!({}))).collect()
    };
    let fields: Map<String, Value> =
        fields.iter().map(|(name, names)| (format!("f:{name}"), group(names).into())).collect();
    let mut entry = json!({
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": THEN, "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    });
    if let Some(subresource) = subresource {
        entry["subresource"] = json!(subresource);
    }
    entry
}

fn controller(kind: &str, name: &str) -> Value {
    json!([{
        "apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "4a9d1f1e-6f5e-4b39-9d57-0d2f7a1c5b11",
        "controller": true, "blockOwnerDeletion": true,
    }])
}

fn namespace(n: usize) -> Value {
    let name = namespace_of(n);
    let labels =
        json!({"kubernetes.io/metadata.name": name, "team": format!("team-{n}"), "environment": "prod"});
    json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": labels, "managedFields": [managed("kubectl", None, &[("metadata", &["labels"])])]},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
    })
}

fn node(n: usize) -> Value {
    let name = format!("worker-{n}");
    let images: Vec<Value> = (0..50)
        .map(|image| {
            let names = [
                format!("registry.example.com/team/{image}@sha256:{}", digest(image)),
                format!("registry.example.com/team/{image}:1.4.2"),
            ];
            json!({"names": names, "sizeBytes": 48_211_345})
        })
        .collect();
    let cidr = format!("10.42.{n}.0/24");
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
        },
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address([192, 168, 0, 10], n)}, {"type": "Hostname", "address": name},
            ],
            "images": images,
        },
    })
}

fn pod(n: usize) -> Value {
    let workload = n % WORKLOADS;
    let (app, hash) = (app(workload), hash(workload, 0));
    let mut labels = labels(workload);
    labels["pod-template-hash"] = json!(hash);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace_of(workload), "name": pod_name(n), "generateName": format!("{app}-{hash}-"),
            "labels": labels,
            "annotations": {
                "checksum/config": digest(n), "kubectl.kubernetes.io/restartedAt": THEN,
                "prometheus.io/scrape": "true", "prometheus.io/port": "9090",
            },
            "ownerReferences": controller("ReplicaSet", &format!("{app}-{hash}")),
            "managedFields": pod_writers(),
        },
        "spec": pod_spec(n, &app),
        "status": pod_status(n),
    })
}

fn pod_writers() -> Value {
    let spec = [
        "affinity",
        "containers",
        "dnsPolicy",
        "enableServiceLinks",
        "restartPolicy",
        "schedulerName",
        "securityContext",
        "serviceAccount",
        "serviceAccountName",
        "terminationGracePeriodSeconds",
        "topologySpreadConstraints",
        "volumes",
    ];
    let container = [
        "args",
        "env",
        "image",
        "imagePullPolicy",
        "livenessProbe",
        "name",
        "ports",
        "readinessProbe",
        "resources",
        "securityContext",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
    ];
    let metadata = ["annotations", "generateName", "labels", "ownerReferences"];
    let status =
        ["conditions", "containerStatuses", "hostIP", "hostIPs", "phase", "podIP", "podIPs", "startTime"];
    json!([
        managed("k3s", None, &[("metadata", &metadata), ("spec", &spec), ("containers", &container)]),
        managed("k3s", Some("status"), &[("status", &status)]),
    ])
}

fn pod_spec(n: usize, app: &str) -> Value {
    let volumes = [
        json!({"name": "config", "configMap": {"name": format!("{app}-config"), "defaultMode": 420}}),
        json!({"name": "secrets", "secret": {"secretName": format!("{app}-secrets"), "defaultMode": 420}}),
        json!({"name": "tmp", "emptyDir": {}}),
        json!({"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
        ]}}),
    ];
    json!({
        "nodeName": format!("worker-{}", n % NODES), "serviceAccountName": app, "serviceAccount": app,
        "containers": [container(app), sidecar()],
        "volumes": volumes,
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300},
        ],
        "dnsPolicy": "ClusterFirst", "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority", "priority": 0,
        "restartPolicy": "Always", "schedulerName": "default-scheduler", "securityContext": {"fsGroup": 1000},
        "terminationGracePeriodSeconds": 30,
    })
}

fn container(app: &str) -> Value {
    let env: Vec<Value> = (0..20)
        .map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("https://{app}.example.com/{n}")}))
        .collect();
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}, "periodSeconds": 10, "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3});
    let mounts = [
        ("config", "/etc/app"),
        ("secrets", "/etc/secrets"),
        ("tmp", "/tmp"),
        ("kube-api-access-x7k2p", "/var/run/secrets/kubernetes.io/serviceaccount"),
    ];
    let mounts: Vec<Value> =
        mounts.iter().map(|(name, path)| json!({"name": name, "mountPath": path})).collect();
    json!({
        "name": "app", "image": "registry.example.com/team/backend:1.4.2", "imagePullPolicy": "IfNotPresent",
        "env": env, "volumeMounts": mounts,
        "ports": [
            {"name": "http", "containerPort": 8080, "protocol": "TCP"}, {"name": "metrics", "containerPort": 9090, "protocol": "TCP"},
        ],
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "livenessProbe": probe("/healthz"), "readinessProbe": probe("/readyz"),
        "securityContext": {"runAsNonRoot": true, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}},
        "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
    })
}

fn sidecar() -> Value {
    json!({
        "name": "proxy", "image": "registry.example.com/platform/proxy:2.0.1", "imagePullPolicy": "IfNotPresent",
        "args": ["--listen", "127.0.0.1:15000", "--upstream", "127.0.0.1:8080"],
        "ports": [{"name": "admin", "containerPort": 15_021, "protocol": "TCP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}, "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    })
}

fn pod_status(n: usize) -> Value {
    let conditions = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"]
        .map(
            |kind| json!({"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": THEN}),
        );
    let containers = ["app", "proxy"].map(|name| {
        let image = format!("registry.example.com/team/{name}");
        json!({
            "name": name, "image": format!("{image}:1.4.2"), "imageID": format!("{image}@sha256:{}", digest(7)),
            "containerID": format!("containerd://{}", digest(n)), "ready": true, "started": true, "restartCount": 0,
            "lastState": {}, "state": {"running": {"startedAt": THEN}},
        })
    });
    let (ip, host) = (pod_address(n), address([192, 168, 0, 10], n % NODES));
    json!({
        "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}], "hostIP": host, "hostIPs": [{"ip": host}],
        "startTime": THEN, "qosClass": "Burstable", "conditions": conditions, "containerStatuses": containers,
    })
}

fn replica_set(n: usize) -> Value {
    let (workload, revision) = (n % WORKLOADS, n / WORKLOADS);
    let (app, hash) = (app(workload), hash(workload, revision));
    let mut labels = labels(workload);
    labels["pod-template-hash"] = json!(hash);
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "namespace": namespace_of(workload), "name": format!("{app}-{hash}"), "labels": labels,
            "annotations": {"deployment.kubernetes.io/revision": revision.to_string(), "deployment.kubernetes.io/desired-replicas": "6"},
            "ownerReferences": controller("Deployment", &app),
            "managedFields": [managed("k3s", None, &[("metadata", &["annotations", "labels", "ownerReferences"]), ("spec", &["replicas", "selector", "template"])])],
        },
    })
}

fn service(n: usize) -> Value {
    let ip = address([10, 43, 0, 10], n);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "namespace": namespace_of(n), "name": app(n), "labels": labels(n),
            "managedFields": [managed("helm", None, &[("metadata", &["labels"]), ("spec", &["ports", "selector", "type"])])],
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip], "selector": {"app.kubernetes.io/name": app(n)},
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "internalTrafficPolicy": "Cluster", "sessionAffinity": "None",
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}],
        },
        "status": {"loadBalancer": {}},
    })
}

fn endpoint_slice(n: usize) -> Value {
    let endpoints: Vec<Value> = (n..PODS)
        .step_by(WORKLOADS)
        .map(|pod| {
            json!({
                "addresses": [pod_address(pod)], "conditions": {"ready": true, "serving": true, "terminating": false},
                "nodeName": format!("worker-{}", pod % NODES),
                "targetRef": {"kind": "Pod", "namespace": namespace_of(n), "name": pod_name(pod), "uid": "4a9d1f1e-6f5e-4b39-9d57-0d2f7a1c5b11"},
            })
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "namespace": namespace_of(n), "name": format!("{}-x2k9d", app(n)),
            "labels": {"kubernetes.io/service-name": app(n), "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"},
        },
        "endpoints": endpoints, "ports": [{"name": "http", "protocol": "TCP", "port": 8080}],
    })
}

fn policy(n: usize) -> Value {
    let ingress: Vec<Value> = (1..4)
        .map(|other| {
            json!({
                "from": [
                    {"namespaceSelector": {"matchLabels": {"team": format!("team-{}", (n + other) % NAMESPACES)}}},
                    {"podSelector": {"matchLabels": {"app.kubernetes.io/name": app(n + other)}}},
                ],
                "ports": [{"port": 8080, "protocol": "TCP"}],
            })
        })
        .collect();
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {
            "namespace": namespace_of(n), "name": app(n), "labels": labels(n),
            "managedFields": [managed("argocd-controller", None, &[("spec", &["egress", "ingress", "podSelector", "policyTypes"])])],
        },
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": app(n)}}, "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress, "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        },
    })
}
