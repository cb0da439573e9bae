//! Attributes of log records, by the names of OpenTelemetry's semantic conventions where these have one.

use std::net::IpAddr;

use flow_model::object_ref::{ObjectRef, joined};
use flow_model::record::{Endpoint, FlowVerdict};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};

/// A list of attributes. Values that are not known are left out.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<KeyValue>);

impl Attributes {
    pub(super) fn text(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.push(pair(key.into(), Value::StringValue(value.into())));
    }

    pub(super) fn maybe(&mut self, key: impl Into<String>, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    pub(super) fn number(&mut self, key: impl Into<String>, value: u64) {
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.0.push(pair(key.into(), Value::IntValue(value)));
    }

    pub(super) fn objects(&mut self, key: &str, objects: &[ObjectRef]) {
        if !objects.is_empty() {
            self.text(key, joined(objects));
        }
    }

    pub(super) fn verdict(&mut self, verdict: Option<&FlowVerdict>) {
        let Some(verdict) = verdict else { return };
        self.text("flow_observer.verdict", verdict.decision.as_str());
        self.objects("flow_observer.policies", &verdict.policies);
    }

    /// Adds both sides of a flow, and the network's protocols.
    pub(super) fn flow(&mut self, src: &Endpoint, dst: &Endpoint, transport: &str) {
        self.text("network.transport", transport);
        self.text("network.type", if src.ip.to_canonical().is_ipv4() { "ipv4" } else { "ipv6" });
        self.side("source", src);
        self.side("destination", dst);
        self.maybe("flow_observer.backend.address", dst.backend_ip.as_ref().map(IpAddr::to_string));
        if let Some(port) = dst.backend_port {
            self.number("flow_observer.backend.port", port.into());
        }
    }

    /// Adds a side. The conventions describe one Kubernetes object a record, so the names of both sides have a prefix.
    pub(super) fn side(&mut self, side: &str, endpoint: &Endpoint) {
        let Endpoint { ip, port, service, namespace, pod, workload, workload_kind, node, .. } = endpoint;
        self.text(format!("{side}.address"), ip.to_string());
        if *port != 0 {
            self.number(format!("{side}.port"), (*port).into());
        }
        let namespace = namespace.as_ref().or_else(|| service.as_ref().map(|service| &service.namespace));
        self.maybe(format!("{side}.k8s.namespace.name"), namespace.map(ToString::to_string));
        self.maybe(format!("{side}.k8s.pod.name"), pod.as_ref().map(ToString::to_string));
        self.maybe(format!("{side}.k8s.node.name"), node.as_ref().map(ToString::to_string));
        self.maybe(
            format!("{side}.k8s.service.name"),
            service.as_ref().map(|service| service.name.to_string()),
        );
        // A bare pod is its own workload.
        if let (Some(workload), Some(kind)) = (workload, workload_kind)
            && kind != "Pod"
        {
            self.text(format!("{side}.k8s.{}.name", kind.to_lowercase()), workload.to_string());
        }
    }

    pub(super) fn finish(self) -> Vec<KeyValue> {
        self.0
    }
}

/// Returns a text as OpenTelemetry has it.
pub(super) fn any(text: impl Into<String>) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.into())) }
}

fn pair(key: String, value: Value) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
