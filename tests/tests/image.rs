//! Real containerd and runc import and run the image with exactly the rights that the manifests grant.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panic, like tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lab::agent::{Agent, LISTEN};
use lab::containerd::Containerd;
use lab::kube::{ApiServer, Mirror, NAMESPACE, Place, Token};
use lab::manifest::{self, Container};
use lab::traffic::{Server, connect};
use lab::world::World;

/// Returns the archive of `cargo xtask image`, or `$FLOW_OBSERVER_IMAGE`.
fn archive() -> PathBuf {
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let made = format!("target/oci/flow-observer-{}-{arch}.tar", env!("CARGO_PKG_VERSION"));
    let path =
        std::env::var_os("FLOW_OBSERVER_IMAGE").map_or_else(|| manifest::checkout(&made), PathBuf::from);
    assert!(path.is_file(), "{} is missing: run `cargo xtask image`", path.display());
    path
}

fn container(dir: &str) -> Container {
    manifest::agent(&manifest::render(dir).unwrap()).unwrap()
}

/// The kernel's numbers, from <linux/capability.h>.
fn bit(capability: &str) -> u64 {
    1 << match capability {
        "CAP_NET_ADMIN" => 12,
        "CAP_SYS_PTRACE" => 19,
        "CAP_SYS_ADMIN" => 21,
        "CAP_SYS_RESOURCE" => 24,
        "CAP_PERFMON" => 38,
        "CAP_BPF" => 39,
        other => panic!("teach this test the number of {other}"),
    }
}

/// Reads a hexadecimal or decimal field of `/proc/PID/status`.
fn status(pid: u32, field: &str, radix: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    u64::from_str_radix(value.trim(), radix).unwrap()
}

/// Removes CAP_SYS_RESOURCE from the container where this process can't grant it: root may lack it in sandboxes. It
/// raises the limit for locked memory on kernels before 5.11, and does nothing on later ones.
fn grantable(mut container: Container) -> Container {
    let ours = status(std::process::id(), "CapBnd", 16);
    let missing: Vec<_> = container.capabilities.iter().filter(|c| ours & bit(c) == 0).cloned().collect();
    for capability in missing {
        assert_eq!(capability, "CAP_SYS_RESOURCE", "this machine can't grant it");
        container.capabilities.remove(&capability);
    }
    container
}

struct Stage {
    world: World,
    containerd: Containerd,
}

impl Stage {
    fn new() -> Self {
        let world = World::new().unwrap();
        let containerd = Containerd::start(&world.node.ns, world.guard.dir()).unwrap();
        Self { world, containerd }
    }

    fn args(&self) -> Vec<String> {
        // There is no API server here, and on loopback the API needs no token.
        let (cluster, listen) = (self.world.cluster.flag(), LISTEN.to_string());
        ["run", "--cluster", &cluster, "--node-name", "node1", "--listen", &listen]
            .map(str::to_owned)
            .to_vec()
    }

    fn start(&self, container: &Container) -> Agent {
        assert_eq!(container.args, ["run"]);
        let args = self.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let dir = self.world.cluster.dir();
        let command = self.containerd.run("agent", container, &[(dir, dir)], &args).unwrap();
        Agent::start_as(&self.world.node.ns, "node1", self.world.guard.dir(), command).unwrap()
    }
}

/// The overlay grants exactly what the agent needs.
fn works(dir: &str) {
    let container = grantable(container(dir));
    let stage = Stage::new();
    let world = &stage.world;
    let images = stage.containerd.import(&archive()).unwrap();
    assert_eq!(images, [container.image.as_str()], "the manifest names what the import makes");
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    let agent = stage.start(&container);
    confined(stage.containerd.pid("agent").unwrap(), &container.capabilities);
    for path in &container.probes {
        assert_eq!(agent.get(path).unwrap().status, 200, "{path}");
    }
    for probe in ["pods", "uplinks", "drops"] {
        assert_eq!(agent.metric("probe_attached", &[("probe", probe)]).unwrap(), 1.0, "{probe}");
    }
    connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["dst"]["port"] == 8080).unwrap();
    assert_eq!(record["outcome"], "established", "{record}");
    assert_eq!(record["src"]["workload"], "front", "{record}");
    assert_eq!(record["dst"]["workload"], "cache", "{record}");
    connect(&client.ns, server.at(9)).unwrap_err();
    agent.wait_flow("kind=attempt&outcome=refused", |r| r["dst"]["port"] == 9).unwrap();
    let doctor = stage.containerd.exec("agent", &["flow-observer", "doctor"]).unwrap();
    assert!(doctor.contains("The agent can run"), "{doctor}");
}

/// Checks the rights of the process, as the kernel has them.
fn confined(pid: u32, capabilities: &BTreeSet<String>) {
    let wanted = capabilities.iter().map(|c| bit(c)).fold(0, |all, bit| all | bit);
    for set in ["CapEff", "CapPrm", "CapBnd"] {
        assert_eq!(status(pid, set, 16), wanted, "{set}, {capabilities:?}");
    }
    assert_eq!(status(pid, "NoNewPrivs", 10), 1);
    assert_eq!(status(pid, "Seccomp", 10), 2, "a filter");
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields[4] == "/");
    assert!(root.unwrap()[5].split(',').any(|option| option == "ro"), "{mounts}");
}

#[test]
fn the_base_suffices() {
    works("base");
}

#[test]
fn the_k3s_overlay_suffices() {
    works("overlays/k3s");
}

#[test]
fn the_privileged_overlay_suffices() {
    works("overlays/privileged");
}

#[test]
fn the_prometheus_operator_overlay_suffices() {
    works("overlays/prometheus-operator");
}

/// The directory of a pod's account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Writes the files that the kubelet mounts there.
fn account(api: &ApiServer, dir: &Path) {
    fs::create_dir(dir).unwrap();
    fs::write(dir.join("token"), api.token(NAMESPACE, "flow-observer", Token::default()).unwrap()).unwrap();
    fs::copy(api.ca(), dir.join("ca.crt")).unwrap();
    fs::write(dir.join("namespace"), NAMESPACE).unwrap();
}

/// Returns the container with the kubelet's additions: fields of the pod, and the address of the API server.
fn in_cluster(mut container: Container, node: &str, api: &ApiServer) -> Container {
    for (name, field) in container.fields.clone() {
        assert_eq!(field, "spec.nodeName", "teach this test the value of {field}");
        container.env.push((name, node.to_owned()));
    }
    let at = api.at();
    container.env.push(("KUBERNETES_SERVICE_HOST".into(), at.ip().to_string()));
    container.env.push(("KUBERNETES_SERVICE_PORT".into(), at.port().to_string()));
    container
}

/// The agent runs with the manifest's own arguments and variables, and a pod's account: no kubeconfig, no directory.
#[test]
fn the_base_finds_its_way_in_a_cluster() {
    let stage = Stage::new();
    let world = &stage.world;
    let (ns, dir) = (&world.node.ns, world.guard.dir());
    let api = ApiServer::start(&Place::Inside(ns.clone()), &dir.join("kube")).unwrap();
    let (client, server) = (world.pod("web", "front").unwrap(), world.pod("data", "cache").unwrap());
    let _serving = Server::start(&server.ns, 8080).unwrap();
    Mirror::new(world.cluster.dir()).sync(&api).unwrap();
    api.agent().unwrap();
    let reader = api.account(NAMESPACE, "reader").unwrap();
    api.make_reader(NAMESPACE, "reader").unwrap();
    account(&api, &dir.join("account"));
    stage.containerd.import(&archive()).unwrap();

    let container = in_cluster(grantable(container("base")), &world.node.name, &api);
    let args: Vec<&str> = container.args.iter().map(String::as_str).collect();
    let mounts = [(&*dir.join("account"), Path::new(ACCOUNT))];
    let command = stage.containerd.run("agent", &container, &mounts, &args).unwrap();
    let agent = Agent::start_as(ns, &world.node.name, dir, command).unwrap();
    assert_eq!(agent.get("/api/v1/flows").unwrap().status, 401, "it listens to all, so it wants a token");
    let agent = agent.with_token(reader);
    for kind in ["Pod", "Namespace", "Node", "ReplicaSet"] {
        agent.wait_metric("cluster_synced", &[("kind", kind)], 1.0).unwrap();
    }
    connect(&client.ns, server.at(8080)).unwrap().echo().unwrap();
    let record = agent.wait_flow("kind=attempt", |r| r["dst"]["port"] == 8080).unwrap();
    assert_eq!(
        (&record["src"]["pod"], &record["dst"]["pod"]),
        (&client.name.as_str().into(), &server.name.as_str().into()),
        "{record}"
    );
    assert_eq!(
        (&record["src"]["workload"], &record["node"]),
        (&"front".into(), &world.node.name.as_str().into()),
        "{record}"
    );
}

/// The base needs each of its capabilities, and the log names a missing one.
#[test]
fn every_capability_is_needed() {
    let full = container("base");
    let stage = Stage::new();
    stage.containerd.import(&archive()).unwrap();
    for missing in &full.capabilities {
        let mut less = full.clone();
        less.capabilities.remove(missing);
        let args = stage.args();
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let dir = stage.world.cluster.dir();
        let mut command = stage.containerd.run(missing, &less, &[(dir, dir)], &args).unwrap();
        let out = stage.world.node.ns.run(|| command.stdin(Stdio::null()).output()).unwrap();
        let printed =
            String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout);
        assert_eq!(out.status.code(), Some(2), "{missing}: {printed}");
        assert!(printed.contains(&format!("capabilities: missing {missing}")), "{missing}: {printed}");
    }
}
