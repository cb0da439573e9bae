//! The control plane, on the first node.

use std::fs;

use anyhow::{Context as _, Result};

use super::node::{program, service};
use super::place::{API, Place};
use super::wait::Interrupt;
use crate::run::capture;

const NODE: &str = "n1";
const SERVICES: &str = "10.43.0.0/16";

/// Starts etcd and the API server, waits until it is ready, then starts the controllers and the scheduler.
pub(super) fn start(place: &Place, interrupt: &Interrupt) -> Result<()> {
    let dir = place.node_dir(NODE);
    let pki = place.dir().join("pki");
    fs::create_dir_all(dir.join("etcd"))?;
    run(
        place,
        "etcd",
        "etcd",
        &format!(
            "--name lab --data-dir {} --log-level error --listen-client-urls http://127.0.0.1:2379 \
         --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
         --initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster lab=http://127.0.0.1:2380",
            dir.join("etcd").display()
        ),
    )?;
    let pki = pki.display();
    run(
        place,
        "apiserver",
        &program(place, "kube-apiserver"),
        &format!(
            "--etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 --secure-port=6443 --advertise-address={API} \
         --tls-cert-file={pki}/server.crt --tls-private-key-file={pki}/server.key --client-ca-file={pki}/ca.crt \
         --token-auth-file={pki}/tokens.csv --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
         --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file={pki}/sa.key \
         --service-account-signing-key-file={pki}/sa.key --service-cluster-ip-range={SERVICES} \
         --kubelet-preferred-address-types=InternalIP --allow-privileged=true"
        ),
    )?;
    let ready = || place.kubectl(&["get", "--raw", "/readyz"]).is_ok_and(|mut ask| capture(&mut ask).is_ok());
    interrupt.until("API server", 90, ready).with_context(|| log(place, "apiserver"))?;
    run(
        place,
        "controllers",
        &program(place, "kube-controller-manager"),
        &format!(
            "--kubeconfig={} --leader-elect=false --use-service-account-credentials=true \
         --service-account-private-key-file={pki}/sa.key --root-ca-file={pki}/ca.crt \
         --cluster-signing-cert-file={pki}/ca.crt --cluster-signing-key-file={pki}/ca.key --allocate-node-cidrs=true \
         --cluster-cidr=10.42.0.0/16 --service-cluster-ip-range={SERVICES} --cert-dir={}/controllers \
         --node-monitor-grace-period=20s --flex-volume-plugin-dir=/var/lib/kubelet/volume-plugins",
            place.kubeconfig("controllers").display(),
            dir.display()
        ),
    )?;
    run(
        place,
        "scheduler",
        &program(place, "kube-scheduler"),
        &format!(
            "--kubeconfig={} --leader-elect=false --cert-dir={}/scheduler",
            place.kubeconfig("scheduler").display(),
            dir.display()
        ),
    )
}

fn run(place: &Place, name: &str, program: &str, flags: &str) -> Result<()> {
    let flags: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
    service(place, NODE, name, program, &flags)
}

/// The end of a service's log, for an error.
fn log(place: &Place, name: &str) -> String {
    let path = place.node_dir(NODE).join(format!("{name}.log"));
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    format!("{}:\n{}", path.display(), lines[lines.len().saturating_sub(10)..].join("\n"))
}
