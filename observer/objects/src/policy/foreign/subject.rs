//! The pods that a policy may concern. Where that can't be read, it is more pods rather than fewer.

use arcstr::ArcStr;
use flow_model::policies::{Operator, PodsPeer, Requirement, Selector};
use serde_json::Value;

use crate::kinds::Scope;
use crate::policy::field::Field;
use crate::policy::foreign::calico;
use crate::policy::foreign::table::{Acts, Foreign, Pods};
use crate::policy::selector;
use crate::values::NAME_LABEL;

/// The namespace whose policies Istio applies to all namespaces, by default.
const ISTIO_ROOT: &str = "istio-system";

/// Which pods a policy may concern, and in which directions.
pub(super) struct Subject {
    pub(super) pods: PodsPeer,
    pub(super) ingress: bool,
    pub(super) egress: bool,
}

/// Reads the subject of a policy.
pub(super) fn read(foreign: &Foreign, namespace: &ArcStr, object: &Value) -> Subject {
    let spec = &object["spec"];
    let (ingress, egress) = directions(foreign, spec, object);
    let everywhere = foreign.scope == Scope::Cluster
        || matches!(foreign.pods, Pods::All)
        || (matches!(foreign.pods, Pods::Istio) && *namespace == ISTIO_ROOT);
    let namespaces = if everywhere { Selector::default() } else { named(namespace) };
    let pods = match foreign.pods {
        Pods::Any | Pods::All => PodsPeer { namespaces, pods: None },
        Pods::Selector(field) => PodsPeer { namespaces, pods: labels(&spec[field]) },
        Pods::Istio => PodsPeer { namespaces, pods: labels(&spec["selector"]) },
        Pods::Cilium => PodsPeer { namespaces, pods: cilium(object) },
        Pods::Calico => PodsPeer {
            namespaces: if everywhere { calico::selector(&spec["namespaceSelector"]) } else { namespaces },
            pods: Some(calico::selector(&spec["selector"])),
        },
        Pods::Antrea => antrea(spec, namespaces, everywhere),
    };
    Subject { pods, ingress, egress }
}

fn directions(foreign: &Foreign, spec: &Value, object: &Value) -> (bool, bool) {
    match foreign.acts {
        Acts::Ingress => return (true, false),
        Acts::Egress => return (false, true),
        Acts::Both => return (true, true),
        Acts::AsWritten => {}
    }
    // A host's policy is none of its pods'.
    if spec.get("nodeSelector").is_some() && object.get("specs").is_none() {
        return (false, false);
    }
    let named =
        |name: &str| spec["types"].as_array().is_some_and(|types| types.iter().any(|kind| kind == name));
    let has = |fields: [&str; 2]| fields.iter().any(|field| !spec[*field].is_null());
    let ingress = named("Ingress") || has(["ingress", "ingressDeny"]);
    let egress = named("Egress") || has(["egress", "egressDeny"]);
    match ingress || egress {
        true => (ingress, egress),
        false => (true, true),
    }
}

fn named(namespace: &ArcStr) -> Selector {
    let operator = Operator::In(vec![namespace.clone()]);
    Selector { requirements: vec![Requirement { key: NAME_LABEL, operator }] }
}

/// Reads a label selector; `None` where that isn't possible, which is any pod.
fn labels(value: &Value) -> Option<Selector> {
    selector::read(&Field::root(value)).ok()
}

/// Reads an endpoint selector. Its keys may begin with the source of the label, and some are no labels of the pod.
fn cilium(object: &Value) -> Option<Selector> {
    if object.get("specs").is_some() {
        return None;
    }
    let mut value = object["spec"]["endpointSelector"].clone();
    for requirement in value["matchExpressions"].as_array_mut().into_iter().flatten() {
        let key = plain_key(requirement["key"].as_str()?)?.to_owned();
        requirement["key"] = key.into();
    }
    if let Some(map) = value.get_mut("matchLabels").and_then(Value::as_object_mut) {
        let plain = std::mem::take(map).into_iter();
        let plain = plain.map(|(key, value)| Some((plain_key(&key)?.to_owned(), value)));
        *map = plain.collect::<Option<_>>()?;
    }
    labels(&value)
}

fn plain_key(key: &str) -> Option<&str> {
    let key =
        ["k8s:", "any:", "k8s.", "any."].iter().find_map(|prefix| key.strip_prefix(prefix)).unwrap_or(key);
    let is_label = !key.contains(':') && !key.starts_with("io.kubernetes.") && !key.starts_with("io.cilium.");
    is_label.then_some(key)
}

/// Reads `appliedTo`. Of several entries, each may select the pod.
fn antrea(spec: &Value, namespaces: Selector, everywhere: bool) -> PodsPeer {
    let entry = spec["appliedTo"].as_array().filter(|entries| entries.len() == 1).map(|entries| &entries[0]);
    let Some(entry) = entry else { return PodsPeer { namespaces, pods: None } };
    let of = entry.get("namespaceSelector").filter(|_| everywhere).and_then(labels);
    PodsPeer { namespaces: of.unwrap_or(namespaces), pods: entry.get("podSelector").and_then(labels) }
}
