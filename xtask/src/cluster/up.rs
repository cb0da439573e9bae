//! Starting a cluster, step by step.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use super::binaries::Binaries;
use super::demo::Demo;
use super::finish::finish;
use super::place::Place;
use super::wait::Interrupt;
use super::{Enforcer, UpArgs, control, forward, images, network, node, pki, test};
use crate::run::{capture, report_step};
use crate::setup::{self, Need};

/// What every cluster needs from the system.
pub(super) const NEEDS: &[Need] = &[Need::Cluster, Need::Etcd];

/// kube-proxy's rights, which no component creates by itself.
const PROXY_RIGHTS: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: node-proxier}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:node-proxier}
subjects: [{kind: User, name: system:kube-proxy}]
";

/// Starts a cluster that stays, or nothing: all of it is stopped again when a step fails or a signal comes.
pub(super) fn run(root: &Path, place: &Place, options: &UpArgs, with_demo: bool) -> Result<()> {
    if with_demo {
        test::check(options)?;
    }
    place.free()?;
    let binaries = prepare(root, &options.kubernetes)?;
    let demo = if with_demo { Some(Demo::prepare(root)?) } else { None };
    let interrupt = Interrupt::catch()?;
    place.claim()?;
    let install = |()| demo.map_or(Ok(()), |demo| demo.install(place, &interrupt));
    let started =
        start(place, options, &binaries, &interrupt).and_then(install).and_then(|()| interrupt.check());
    if started.is_err() {
        return finish(root, place, started, &interrupt);
    }
    invite(place, with_demo);
    Ok(())
}

/// Installs and builds what a cluster needs. Nothing of it belongs to the cluster.
pub(super) fn prepare(root: &Path, kubernetes: &str) -> Result<Binaries> {
    Binaries::can_be_had(kubernetes)?;
    network::need_bridge_netfilter()?;
    setup::ensure(root, NEEDS)?;
    Binaries::ensure(root, kubernetes)
}

/// Starts a cluster in a place that is claimed.
pub(super) fn start(
    place: &Place,
    options: &UpArgs,
    binaries: &Binaries,
    interrupt: &Interrupt,
) -> Result<()> {
    let began = Instant::now();
    let done = |what: &str| report_step(&format!("{what} ({} s)", began.elapsed().as_secs()));
    let nodes: Vec<String> = (1..=options.nodes).map(|number| format!("n{number}")).collect();
    link_programs(place, binaries)?;
    fs::write(place.dir().join("nodes"), nodes.join("\n"))?;
    pki::write(place, &nodes)?;
    let archives = images::pack(place, binaries)?;
    network::lan(place)?;
    for name in &nodes {
        node::create(place, name, interrupt)?;
        node::containerd(place, name)?;
    }
    for name in &nodes {
        interrupt.until(&format!("containerd on {name}"), 30, || node::containerd_answers(place, name))?;
    }
    for archive in &archives {
        images::load(place, archive, interrupt)?;
    }
    done("nodes with containerd");
    control::start(place, interrupt)?;
    done("control plane");
    for name in &nodes {
        node::kubelet(place, name)?;
    }
    interrupt.check()?;
    apply(place, PROXY_RIGHTS)?;
    let members: Result<Vec<_>> = nodes.iter().map(|name| network::join(place, name, interrupt)).collect();
    network::connect(place, &members?)?;
    for name in &nodes {
        node::proxy(place, name, options.proxy)?;
        if options.enforcer == Enforcer::KubeRouter {
            node::router(place, name)?;
        }
    }
    interrupt.until("nodes ready", 90, || {
        let wait = place.kubectl(&["wait", "--for=condition=Ready", "node", "--all", "--timeout=1s"]);
        wait.is_ok_and(|mut wait| capture(&mut wait).is_ok())
    })?;
    done(&format!("{} nodes ready", nodes.len()));
    serve_api(place)
}

/// Programs of one cluster in one directory, whatever versions other clusters have.
fn link_programs(place: &Place, binaries: &Binaries) -> Result<()> {
    let bin = place.dir().join("bin");
    fs::create_dir_all(&bin)?;
    for dir in [&binaries.kubernetes, &binaries.router, &binaries.peer, &binaries.helm] {
        for program in
            fs::read_dir(dir)?.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        {
            symlink(program.path(), bin.join(program.file_name()))?;
        }
    }
    Ok(())
}

fn apply(place: &Place, manifest: &str) -> Result<()> {
    let mut kubectl = place.kubectl(&["apply", "-f", "-"])?;
    let mut child = kubectl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().context("kubectl")?;
    child.stdin.take().context("kubectl has no standard input")?.write_all(manifest.as_bytes())?;
    ensure!(child.wait()?.success(), "kubectl apply failed");
    Ok(())
}

/// Makes the API reachable from the machine, with a kubeconfig for it.
fn serve_api(place: &Place) -> Result<()> {
    let address = forward::start(place, "api", 6443)?;
    pki::write_admin(place, address)
}

/// Prints what to try.
fn invite(place: &Place, has_agents: bool) {
    let kubeconfig = place.dir().join("kubeconfig");
    let name = place.option();
    anstream::println!("export KUBECONFIG={}", kubeconfig.display());
    anstream::println!();
    anstream::println!("cargo xtask cluster{name} kubectl -- get pods -A -o wide");
    anstream::println!(
        "cargo xtask cluster{name} shell n1          # a shell on the first node; `client` is a host on the LAN"
    );
    if !has_agents {
        anstream::println!(
            "cargo xtask cluster{name} load              # builds the agent, and makes its image known to every node"
        );
        anstream::println!("cargo xtask cluster{name} kubectl -- apply -k deploy/overlays/k3s");
    }
    anstream::println!("cargo xtask cluster{name} down");
}
