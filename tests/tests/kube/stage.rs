//! A server in a namespace of its own.

use std::sync::Arc;

use lab::guard::Guard;
use lab::kube::{ApiServer, Place};
use lab::netns::Netns;
use serde_json::{Value, json};

/// Field order is drop order.
pub(crate) struct Stage {
    pub(crate) api: ApiServer,
    _guard: Arc<Guard>,
}

/// Starts a server.
pub(crate) fn start() -> Stage {
    let guard = Guard::take().unwrap();
    let place = Place::Inside(Netns::new(&guard, "api").unwrap());
    Stage { api: ApiServer::start(&place, &guard.dir().join("kube")).unwrap(), _guard: guard }
}

pub(crate) fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let mut object =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {}}});
    for (key, value) in labels {
        object["metadata"]["labels"][key] = json!(value);
    }
    object
}

/// Returns namespaces called `name`0 and so on.
pub(crate) fn namespaces(api: &ApiServer, name: &str, count: usize) {
    let all: Vec<Value> = (0..count).map(|n| namespace(&format!("{name}{n}"), &[("of", name)])).collect();
    api.apply(&all).unwrap();
}

pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}
