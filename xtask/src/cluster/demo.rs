//! `cargo xtask cluster up --demo`: the agents, the workloads of both incidents and Prometheus, to explore.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::place::{API, Place, address};
use super::wait::Interrupt;
use super::{forward, images, node};
use crate::image;
use crate::run::{capture, report_step};
use crate::setup::{self, Need};

const POSTGRES: &str = include_str!("../../../tests/tests/cluster/manifests/postgres.yaml");
const POLICY: &str = include_str!("../../../tests/tests/cluster/manifests/policy.yaml");
const WEB: &str = include_str!("../../../tests/tests/cluster/manifests/web.yaml");
const POOL: &str = include_str!("../../../tests/tests/cluster/manifests/pool.yaml");
const RULES: &str = "deploy/prometheus/rules.plain.yaml";
const PROMETHEUS: u16 = 9090;

/// What the demo adds to a cluster.
#[derive(Debug)]
pub(super) struct Demo<'a> {
    root: &'a Path,
    /// The archive of the agent's image.
    archive: PathBuf,
}

impl<'a> Demo<'a> {
    /// Installs Prometheus and builds the agent.
    pub(super) fn prepare(root: &'a Path) -> Result<Self> {
        setup::ensure(root, &[Need::Prometheus])?;
        Ok(Self { root, archive: image::for_tests(root)? })
    }

    /// Installs everything on the cluster, and prints what to open and to try.
    pub(super) fn install(&self, place: &Place, interrupt: &Interrupt) -> Result<()> {
        images::load(place, &self.archive, interrupt)?;
        install(self.root, place, interrupt)
    }
}

fn install(root: &Path, place: &Place, interrupt: &Interrupt) -> Result<()> {
    let dir = place.dir().join("demo");
    fs::create_dir_all(&dir)?;
    report_step("installing the agents, MetalLB, and the workloads of both incidents");
    kubectl(place, &["apply", "-k", &root.join("deploy/overlays/k3s").to_string_lossy()])?;
    kubectl(place, &["apply", "-f", &place.dir().join("metallb.yaml").to_string_lossy()])?;
    for (name, text) in [
        ("postgres.yaml", POSTGRES.to_owned()),
        ("policy.yaml", policy("one-apps")),
        ("policy-without-apps.yaml", policy("one-other")),
        ("web.yaml", WEB.to_owned()),
        ("pool.yaml", POOL.to_owned()),
    ] {
        fs::write(dir.join(name), text)?;
    }
    for name in ["postgres.yaml", "policy.yaml", "web.yaml"] {
        kubectl(place, &["apply", "-f", &dir.join(name).to_string_lossy()])?;
    }
    interrupt.until("the agents to be ready", 120, || {
        let status = ["-n", "flow-observer", "rollout", "status", "daemonset/flow-observer", "--timeout=1s"];
        kubectl(place, &status).is_ok()
    })?;
    // MetalLB's webhook answers some time after its pod is ready.
    let pool = dir.join("pool.yaml");
    interrupt.until("MetalLB", 120, || kubectl(place, &["apply", "-f", &pool.to_string_lossy()]).is_ok())?;
    let prometheus = prometheus(root, place, &dir)?;
    let ready = format!("http://{API}:{PROMETHEUS}/-/ready");
    interrupt.until("Prometheus", 60, || {
        place
            .on("n1", "busybox")
            .is_ok_and(|mut ask| capture(ask.args(["wget", "-q", "-O-", &ready])).is_ok())
    })?;
    invite(place, &dir, prometheus);
    Ok(())
}

fn kubectl(place: &Place, args: &[&str]) -> Result<()> {
    capture(&mut place.kubectl_here(args)).map(drop)
}

fn policy(admitted: &str) -> String {
    POLICY.replace("ADMITTED", admitted)
}

/// Starts Prometheus on the first node, with the rules that ship, and returns where it can be opened.
fn prometheus(root: &Path, place: &Place, dir: &Path) -> Result<SocketAddr> {
    let rules = fs::read_to_string(root.join(RULES)).context(RULES)?;
    fs::write(dir.join("rules.yaml"), rules)?;
    let targets: Vec<String> = place.nodes()?.iter().map(|node| format!("{}:9477", address(node))).collect();
    let config = serde_json::json!({
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [{"job_name": "flow-observer", "static_configs": [{"targets": targets}]}],
    });
    let path = dir.join("prometheus.yml");
    fs::write(&path, serde_json::to_string_pretty(&config)?)?;
    let flags = [
        format!("--config.file={}", path.display()),
        format!("--storage.tsdb.path={}", place.data().join("prometheus").display()),
        format!("--web.listen-address={API}:{PROMETHEUS}"),
    ];
    node::service(place, "n1", "prometheus", "prometheus", &flags)?;
    forward::start(place, "prometheus", PROMETHEUS)
}

fn invite(place: &Place, dir: &Path, prometheus: SocketAddr) {
    let (name, dir, peer) = (place.option(), dir.display(), place.dir().join("bin/peer"));
    let peer = peer.display();
    anstream::println!(
        "
Prometheus, with the alerts that ship: http://{prometheus}/alerts

`flow-observer` below is target/debug/flow-observer; it finds the cluster by KUBECONFIG, which is set at the end.

Incident one, a policy loses a namespace while connections stay open:
  cargo xtask cluster{name} kubectl -- apply -f {dir}/policy-without-apps.yaml
  flow-observer findings --all-nodes                                            # a latent denial
  cargo xtask cluster{name} kubectl -- -n one-apps delete pod -l app=web        # now the new pods can't connect
  cargo xtask cluster{name} kubectl -- -n one-apps describe pod -l app=web
  cargo xtask cluster{name} kubectl -- apply -f {dir}/policy.yaml

Incident two, a load-balancer address changes nodes:
  cargo xtask cluster{name} shell client {peer} hold 192.0.2.200:80 200ms    # in another terminal
  flow-observer vips --all-nodes
  cargo xtask cluster{name} kubectl -- -n metallb-system delete pod -l component=speaker
  flow-observer vips --all-nodes                                                # its moves
  flow-observer findings --all-nodes                                            # and what they broke
"
    );
}

#[cfg(test)]
mod tests;
