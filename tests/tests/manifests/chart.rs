//! Checks of the chart without a cluster: real Helm renders it, and the kustomizations say what must come out.

use std::collections::BTreeSet;

use lab::helm::{Helm, chart, without_own_labels};
use lab::manifest::{self, ALL};
use serde_json::{Value, json};

/// Each directory for kubectl, and the values of the chart that give the same.
const SAME: [(&str, &[&str]); 5] = [
    ("base", &[]),
    ("overlays/hand-over", &["handOver=true"]),
    ("overlays/k3s", &["image.pullPolicy=Never"]),
    ("overlays/privileged", &["privileged=true"]),
    ("overlays/prometheus-operator", &["podMonitor.enabled=true", "prometheusRule.enabled=true"]),
];

/// Every switch that can be on at the same time.
pub(crate) const ALL_VALUES: &[&str] = &[
    "imagePullSecrets[0].name=registry",
    "privileged=true",
    "listenAddress=[::]",
    "env[0].name=FLOW_OBSERVER_UPLINK",
    "env[0].value=+eth1",
    "config=listen = \"[::]:9477\"",
    "tls.secretName=certificate",
    "otlp.endpoint=http://victoria-logs.logging.svc:9428/insert/opentelemetry",
    "otlp.headersSecretName=victoria-logs",
    "otlp.resourceAttributes=k8s.cluster.name=production",
    "podAnnotations.example\\.org/team=network",
    "serviceMonitor.enabled=true",
    "serviceMonitor.labels.release=monitoring",
    "serviceMonitor.tlsConfig.insecureSkipVerify=true",
    "prometheusRule.enabled=true",
    "prometheusRule.labels.release=monitoring",
    "prometheusRule.runbookBase=https://runbooks.example/flow",
    "prometheusRule.dashboardBase=https://grafana.example/d",
];

fn helm() -> Helm {
    Helm::from_env().unwrap()
}

#[track_caller]
fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap_or_else(|| panic!("no {kind}"))
}

fn container(objects: &[Value]) -> &Value {
    &the(objects, "DaemonSet")["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn the_chart_renders_the_objects_of_each_directory() {
    assert_eq!(SAME.map(|(dir, _)| dir), ALL);
    for (dir, values) in SAME {
        let rendered = helm().template(values).unwrap();
        let count = rendered.len();
        let (by_helm, by_kubectl) =
            (without_own_labels(rendered), without_own_labels(manifest::render(dir).unwrap()));
        assert_eq!(by_helm.len(), count, "{dir}: two objects of one name");
        let (names, expected) =
            (by_helm.keys().collect::<BTreeSet<_>>(), by_kubectl.keys().collect::<BTreeSet<_>>());
        assert_eq!(names, expected, "{dir}");
        for (name, object) in by_kubectl {
            assert_eq!(by_helm[&name], object, "{dir}: {name}");
        }
    }
}

#[test]
fn every_object_has_the_labels_by_which_helm_finds_it() {
    for object in helm().template(ALL_VALUES).unwrap() {
        let labels = &object["metadata"]["labels"];
        assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm", "{object}");
        assert_eq!(labels["app.kubernetes.io/instance"], "flow-observer", "{object}");
        assert_eq!(labels["helm.sh/chart"], concat!("flow-observer-", env!("CARGO_PKG_VERSION")), "{object}");
    }
}

#[test]
fn lint_finds_nothing() {
    for values in SAME.map(|(_, values)| values).into_iter().chain([ALL_VALUES]) {
        helm().lint(values).unwrap();
    }
}

#[test]
fn wrong_values_are_refused_by_name() {
    for (value, named) in [
        ("privilegd=true", "privilegd"),
        ("image.tags=1", "tags"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("privileged=please", "privileged"),
        ("namespace.name=Flow_Observer", "namespace"),
        ("maxUnavailable=0", "maxUnavailable"),
        ("listenAddress=::", "listenAddress"),
        ("podMonitor.interval=often", "interval"),
        ("env[0].value=x", "env"),
        ("otlp.endpoint=victoria-logs:9428", "endpoint"),
        ("resources.cpu=1", "cpu"),
    ] {
        let error = helm().template(&[value]).expect_err(value).to_string();
        assert!(error.contains(named) && error.contains("schema"), "{value}: {error}");
    }
    let both = ["podMonitor.enabled=true", "serviceMonitor.enabled=true"];
    let error = helm().template(&both).unwrap_err().to_string();
    assert!(error.contains("twice"), "{error}");
}

/// Checks that an object of values.yaml and its part of the schema have the same keys.
fn same_keys(values: &Value, schema: &Value, whole: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => whole.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let (Some(values), Some(properties)) = (values.as_object(), schema["properties"].as_object()) else {
        return;
    };
    // Helm adds it for charts that are parts of others.
    let described: BTreeSet<&String> = properties.keys().filter(|key| *key != "global").collect();
    assert_eq!(values.keys().collect::<BTreeSet<_>>(), described, "{path}");
    for (key, value) in values {
        same_keys(value, &properties[key], whole, &format!("{path}.{key}"));
    }
}

#[test]
fn the_schema_describes_the_values_that_there_are() {
    let read = |name: &str| std::fs::read_to_string(chart().join(name)).unwrap();
    let values: Value = serde_yaml_ng::from_str(&read("values.yaml")).unwrap();
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    assert!(values.as_object().unwrap().len() > 10);
    same_keys(&values, &schema, &schema, "values");
}

#[test]
fn the_chart_and_its_image_are_of_this_version() {
    let text = std::fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    let chart: Value = serde_yaml_ng::from_str(&text).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let objects =
        helm().template(&["image.repository=registry.example/flow-observer", "image.tag=mine"]).unwrap();
    assert_eq!(container(&objects)["image"], "registry.example/flow-observer:mine");
}

/// The object would belong to two owners: the release, and whoever made the namespace for it.
#[test]
fn a_release_inside_the_namespace_does_not_make_it() {
    for (objects, made) in [
        (helm().template(&[]).unwrap(), true),
        (helm().template(&["namespace.create=false"]).unwrap(), false),
        (helm().template_in("flow-observer", &[]).unwrap(), false),
    ] {
        assert_eq!(objects.iter().any(|object| object["kind"] == "Namespace"), made);
        assert_eq!(the(&objects, "DaemonSet")["metadata"]["namespace"], "flow-observer");
    }
}

#[test]
fn all_objects_follow_the_namespace() {
    for object in helm().template(&["namespace.name=watch", "podMonitor.enabled=true"]).unwrap() {
        let text = object.to_string();
        let elsewhere = r#""namespace":"flow-observer""#;
        assert!(!text.contains(elsewhere), "{text}");
    }
}

#[test]
fn a_service_monitor_finds_the_agents_by_a_service() {
    let objects = helm().template(&["serviceMonitor.enabled=true"]).unwrap();
    let (service, monitor) = (the(&objects, "Service"), the(&objects, "ServiceMonitor"));
    let pods = &the(&objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"];
    assert_eq!(service["spec"]["selector"], *pods);
    let selector = monitor["spec"]["selector"]["matchLabels"].as_object().unwrap();
    assert!(selector.iter().all(|(name, value)| service["metadata"]["labels"][name] == *value), "{service}");
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    // The rules look for this job.
    let job = monitor["spec"]["jobLabel"].as_str().unwrap();
    assert_eq!(service["metadata"]["labels"][job], "flow-observer");
}

/// Returns the value of a variable of the agent.
fn variable<'a>(objects: &'a [Value], name: &str) -> &'a Value {
    let list = container(objects)["env"].as_array().unwrap();
    list.iter().find(|entry| entry["name"] == name).map_or(&Value::Null, |entry| &entry["value"])
}

#[test]
fn a_configuration_file_is_mounted_where_the_agent_reads_it() {
    let text = |check: &str| format!("config=[[check]]\nname = \"{check}\"\n");
    let objects = helm().template(&[&text("dns")]).unwrap();
    assert_eq!(the(&objects, "ConfigMap")["data"]["config.toml"], "[[check]]\nname = \"dns\"\n");
    let pod = &the(&objects, "DaemonSet")["spec"]["template"];
    assert_eq!(pod["spec"]["volumes"], json!([{"name": "config", "configMap": {"name": "flow-observer"}}]));
    assert_eq!(container(&objects)["volumeMounts"][0]["mountPath"], "/etc/flow-observer");
    assert_eq!(*variable(&objects, "FLOW_OBSERVER_CONFIG"), "/etc/flow-observer/config.toml");
    let other = helm().template(&[&text("http")]).unwrap();
    assert_ne!(the(&other, "DaemonSet")["spec"]["template"], *pod, "the pods are replaced");
}

#[test]
fn with_a_certificate_everything_speaks_https() {
    let objects = helm().template(&["tls.secretName=certificate", "podMonitor.enabled=true"]).unwrap();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container(&objects)[probe]["httpGet"]["scheme"], "HTTPS", "{probe}");
    }
    assert_eq!(the(&objects, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["scheme"], "https");
    let mount = &container(&objects)["volumeMounts"][0];
    for (name, file) in [("FLOW_OBSERVER_TLS_CERT", "tls.crt"), ("FLOW_OBSERVER_TLS_KEY", "tls.key")] {
        let path = format!("{}/{file}", mount["mountPath"].as_str().unwrap());
        assert_eq!(*variable(&objects, name), path);
    }
    let volume = &the(&objects, "DaemonSet")["spec"]["template"]["spec"]["volumes"][0];
    assert_eq!(volume["name"], mount["name"]);
    assert_eq!(volume["secret"]["secretName"], "certificate");
}

#[test]
fn the_bases_of_the_alerts_links_can_be_set() {
    let objects = helm().template(ALL_VALUES).unwrap();
    let rules = the(&objects, "PrometheusRule").to_string();
    assert!(rules.contains(r#""runbook_url":"https://runbooks.example/flow/vip-flapping""#));
    assert!(rules.contains(r#""dashboard_url":"https://grafana.example/d/flow-observer-vips?var-vip="#));
    assert!(!rules.contains("http://127.0.0.1"), "{rules}");
}
