//! Pods that the cluster's network depends on: enforcers of policies, and DNS caches on nodes.

use std::net::IpAddr;

use flow_model::inventory::Labels;
use flow_model::network::{Enforcer, LocalDns};
use k8s_openapi::api::core::v1 as core;

/// The part of a pod in the cluster's network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Enforcer(Enforcer),
    LocalDns(LocalDns),
}

/// The labels by which such pods are known.
const LABELS: [&str; 3] = ["k8s-app", "app.kubernetes.io/name", "name"];

/// Returns the role of a pod with these labels. All such pods are in their node's network.
pub(crate) fn role(labels: &Labels, spec: &core::PodSpec) -> Option<Role> {
    if spec.host_network != Some(true) {
        return None;
    }
    let containers = spec.containers.iter().map(|container| &*container.name);
    let labelled = LABELS.iter().filter_map(|key| labels.get(*key)).map(|value| &**value);
    labelled.chain(containers).find_map(|name| of_name(name, spec))
}

fn of_name(name: &str, spec: &core::PodSpec) -> Option<Role> {
    match name {
        "kube-router" if has_firewall(spec) => Some(Role::Enforcer(Enforcer::KubeRouter)),
        "calico-node" | "canal" => Some(Role::Enforcer(Enforcer::Calico)),
        "cilium" | "cilium-agent" => Some(Role::Enforcer(Enforcer::Cilium)),
        "node-local-dns" | "node-cache" => Some(Role::LocalDns(LocalDns { ips: listening(spec) })),
        _ => None,
    }
}

/// Is false for a kube-router that only routes.
fn has_firewall(spec: &core::PodSpec) -> bool {
    !arguments(spec).any(|argument| argument == "--run-firewall=false")
}

/// Returns the addresses after `-localip`.
fn listening(spec: &core::PodSpec) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut arguments = arguments(spec);
    while let Some(argument) = arguments.next() {
        let Some(name) = argument.strip_prefix('-').map(|name| name.trim_start_matches('-')) else {
            continue;
        };
        let list = match name.split_once('=') {
            Some(("localip", list)) => Some(list),
            None if name == "localip" => arguments.next(),
            _ => None,
        };
        found.extend(
            list.into_iter()
                .flat_map(|list| list.split(','))
                .filter_map(|ip| ip.trim().parse::<IpAddr>().ok()),
        );
    }
    found
}

fn arguments(spec: &core::PodSpec) -> impl Iterator<Item = &str> {
    let parts = spec.containers.iter().flat_map(|c| c.command.iter().chain(&c.args).flatten());
    parts.flat_map(|part| part.split_whitespace())
}
