//! One node: its namespaces, its containerd, its kubelet, and the services beside them.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::place::{GATEWAY, Place, address};
use super::wait::Interrupt;
use super::{Proxy, process};
use crate::run::capture;

const HOLDER: &str = include_str!("programs/node.sh");
const INSIDE: &str = include_str!("programs/inside.sh");
const SERVICE: &str = include_str!("programs/service.sh");
/// Directories of a node.
const DIRS: [&str; 4] = ["containerd", "cni-conf", "cni-lib", "opt"];

/// Makes the namespaces of a node and connects it to the LAN.
pub(super) fn create(place: &Place, node: &str, interrupt: &Interrupt) -> Result<()> {
    let dir = place.node_dir(node);
    for name in DIRS {
        fs::create_dir_all(dir.join(name))?;
    }
    let (netns, lan) = (place.namespace(node), place.namespace("lan"));
    let port = format!("lan-{node}");
    ip(&format!("netns add {netns}"))?;
    ip(&format!("link add {port} netns {lan} type veth peer name eth0 netns {netns}"))?;
    ip(&format!("-n {lan} link set {port} master lan up"))?;
    ip(&format!("-n {netns} addr add {}/24 dev eth0", address(node)))?;
    ip(&format!("-n {netns} link set eth0 up"))?;
    ip(&format!("-n {netns} link set lo up"))?;
    ip(&format!("-n {netns} route add default via {GATEWAY}"))?;
    hold(place, node, &netns, interrupt)
}

/// Starts the process that holds the node's namespaces. Its child is the first process in them.
fn hold(place: &Place, node: &str, netns: &str, interrupt: &Interrupt) -> Result<()> {
    let dir = place.node_dir(node);
    let mut holder = Command::new("sh");
    holder.args(["-c", HOLDER, "node", netns, netns, INSIDE]).arg(place.dir()).arg(&dir).arg(node);
    let pid = spawn(holder.stdin(Stdio::null()), &dir.join("holder.log"))?;
    process::record(&place.process(&format!("{node}-holder")), pid)?;
    let ready = dir.join("ready");
    interrupt.until(&format!("node {node}"), 20, || ready.exists() || !process::is_alive(pid))?;
    let Some(inner) = process::child(pid).filter(|_| ready.exists()) else {
        bail!("node {node} could not be made:\n{}", fs::read_to_string(dir.join("holder.log"))?.trim());
    };
    Ok(process::record(&place.process(node), inner)?)
}

/// Starts a program in a node. It ends with the node; its output goes to `NAME.log`.
pub(super) fn service(place: &Place, node: &str, name: &str, program: &str, args: &[String]) -> Result<()> {
    let inside = place.on(node, program)?;
    let mut command = Command::new("sh");
    command.args(["-c", SERVICE, name, &place.namespace(node)]).arg(inside.get_program());
    command.args(inside.get_args()).args(args).env("NODE_NAME", node).stdin(Stdio::null());
    spawn(&mut command, &place.node_dir(node).join(format!("{name}.log")))
        .with_context(|| format!("{name} on {node}"))?;
    Ok(())
}

/// Starts a process that outlives this one and is not reached by the terminal's signals.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<u32> {
    let (out, err) = (File::create(log)?, File::options().append(true).open(log)?);
    let child = command.stdout(out).stderr(err).process_group(0).spawn();
    Ok(child.with_context(|| format!("{command:?} could not be started"))?.id())
}

/// Runs `ip` with these words.
pub(super) fn ip(words: &str) -> Result<()> {
    capture(Command::new("ip").args(words.split(' '))).map(drop)
}

pub(super) fn containerd(place: &Place, node: &str) -> Result<()> {
    let dir = place.node_dir(node);
    let config = format!(
        r#"version = 2
root = "{dir}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{dir}/cni-conf"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/opt"
"#,
        dir = dir.display()
    );
    let path = dir.join("containerd.toml");
    fs::write(&path, config)?;
    service(place, node, "containerd", "containerd", &["--config".into(), path.display().to_string()])
}

/// Whether containerd answers.
pub(super) fn containerd_answers(place: &Place, node: &str) -> bool {
    place.on(node, "ctr").is_ok_and(|mut ctr| capture(ctr.arg("version")).is_ok())
}

pub(super) fn kubelet(place: &Place, node: &str) -> Result<()> {
    let dir = place.node_dir(node);
    let path = dir.join("kubelet.yaml");
    fs::write(&path, KUBELET_CONFIG)?;
    let args = [
        format!("--config={}", path.display()),
        format!("--kubeconfig={}", place.kubeconfig(node).display()),
        format!("--hostname-override={node}"),
        format!("--node-ip={}", address(node)),
        "--v=1".to_owned(),
    ];
    service(place, node, "kubelet", &program(place, "kubelet"), &args)
}

/// kube-proxy in a namespace: without the sysctls that belong to the whole machine.
pub(super) fn proxy(place: &Place, node: &str, mode: Proxy) -> Result<()> {
    let path = place.node_dir(node).join("proxy.yaml");
    let config = format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: {}\n\
         hostnameOverride: {node}\nclusterCIDR: 10.42.0.0/16\nclientConnection: {{kubeconfig: {}}}\n\
         conntrack: {{maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}\n",
        mode.mode(),
        place.kubeconfig("proxy").display()
    );
    fs::write(&path, config)?;
    service(place, node, "proxy", &program(place, "kube-proxy"), &[format!("--config={}", path.display())])
}

/// The firewall of kube-router, which k3s embeds; not its routing and not its Services.
pub(super) fn router(place: &Place, node: &str) -> Result<()> {
    let args = [
        "--run-firewall=true".to_owned(),
        "--run-router=false".to_owned(),
        "--run-service-proxy=false".to_owned(),
        format!("--kubeconfig={}", place.kubeconfig("router").display()),
        format!("--hostname-override={node}"),
        "--service-cluster-ip-range=10.43.0.0/16".to_owned(),
        "--metrics-port=0".to_owned(),
        "--health-port=0".to_owned(),
    ];
    service(place, node, "router", &program(place, "kube-router"), &args)
}

/// A program of this cluster's version.
pub(super) fn program(place: &Place, name: &str) -> String {
    place.dir().join("bin").join(name).display().to_string()
}

const KUBELET_CONFIG: &str = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
clusterDomain: cluster.local
clusterDNS: [10.43.0.10]
resolvConf: /etc/resolv.conf
volumePluginDir: /var/lib/kubelet/volume-plugins
localStorageCapacityIsolation: false
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi}
nodeStatusUpdateFrequency: 4s
syncFrequency: 10s
";
