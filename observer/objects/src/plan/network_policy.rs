//! `kubernetes_network_policy` and `kubernetes_network_policy_v1`: the provider's blocks as the object that it makes of them.
//!
//! A block is a list, also where there is one at most. What isn't a list or a block, such as a value that isn't known yet, is
//! kept as it is, and the reader of policies names it.

use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::plan::unknown::UNKNOWN;

/// Returns the object; `None` without a name.
pub(super) fn object(values: &Value) -> Option<Value> {
    let metadata = block(&values["metadata"], Value::clone);
    let name = metadata["name"].as_str().filter(|name| !name.is_empty()).map(str::to_owned);
    let made = metadata["generate_name"].as_str().filter(|prefix| !prefix.is_empty());
    let name = name.or_else(|| Some(format!("{}{UNKNOWN}", made?)))?;
    let namespace = metadata["namespace"].as_str().filter(|namespace| !namespace.is_empty());
    let kind = Kind::NetworkPolicy;
    Some(json!({
        "apiVersion": kind.api_version(), "kind": kind.name(),
        "metadata": {
            "name": name, "namespace": namespace.unwrap_or("default"),
            "labels": metadata["labels"], "annotations": metadata["annotations"],
        },
        "spec": block(&values["spec"], spec),
    }))
}

fn spec(spec: &Value) -> Value {
    json!({
        "podSelector": block(&spec["pod_selector"], selector),
        "policyTypes": spec["policy_types"],
        "ingress": blocks(&spec["ingress"], |rule| self::rule(rule, "from")),
        "egress": blocks(&spec["egress"], |rule| self::rule(rule, "to")),
    })
}

fn rule(rule: &Value, peers: &str) -> Value {
    json!({peers: blocks(&rule[peers], peer), "ports": blocks(&rule["ports"], port)})
}

fn peer(peer: &Value) -> Value {
    json!({
        "podSelector": block(&peer["pod_selector"], selector),
        "namespaceSelector": block(&peer["namespace_selector"], selector),
        "ipBlock": block(&peer["ip_block"], |range| json!({"cidr": range["cidr"], "except": range["except"]})),
    })
}

fn selector(selector: &Value) -> Value {
    let expression =
        |one: &Value| json!({"key": one["key"], "operator": one["operator"], "values": one["values"]});
    json!({
        "matchLabels": selector["match_labels"],
        "matchExpressions": blocks(&selector["match_expressions"], expression),
    })
}

/// Ports are text in the provider, also numbers. Zero stands for no end.
fn port(port: &Value) -> Value {
    let number = match &port["port"] {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::String(text) => text.parse::<i64>().map_or_else(|_| text.as_str().into(), Value::from),
        other => other.clone(),
    };
    let protocol =
        port["protocol"].as_str().is_none_or(|name| !name.is_empty()).then(|| port["protocol"].clone());
    let end = Some(&port["end_port"]).filter(|end| **end != 0);
    json!({"port": number, "protocol": protocol, "endPort": end})
}

/// Converts a block that is there once or not at all.
fn block(value: &Value, convert: impl Fn(&Value) -> Value) -> Value {
    match value {
        Value::Array(blocks) => blocks.first().map_or(Value::Null, |block| one(block, &convert)),
        other => other.clone(),
    }
}

/// Converts blocks that may be there several times.
fn blocks(value: &Value, convert: impl Fn(&Value) -> Value) -> Value {
    match value {
        Value::Array(blocks) => blocks.iter().map(|block| one(block, &convert)).collect(),
        other => other.clone(),
    }
}

/// Converts one block. An empty one may be null.
fn one(block: &Value, convert: impl Fn(&Value) -> Value) -> Value {
    match block {
        Value::Object(_) => convert(block),
        Value::Null => json!({}),
        other => other.clone(),
    }
}
