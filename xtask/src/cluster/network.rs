//! The pod network, as flannel lays it: a VXLAN, a bridge on each node, masquerading.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::node::ip;
use super::place::{CLIENT, GATEWAY, Place, address};
use super::wait::Interrupt;
use crate::run::{Environment, capture, output};

/// Whether the packets between pods of one node pass iptables, where the Services and the policies are.
const BRIDGE_NETFILTER: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// What the other nodes must know of a node.
#[derive(Debug)]
pub(super) struct Member {
    node: String,
    /// `10.42.1.0/24`.
    cidr: String,
    mac: String,
}

impl Member {
    /// The first address of the node's pod network: that of `flannel.1`.
    fn base(&self) -> &str {
        self.cidr.split('/').next().unwrap_or_default()
    }
}

/// Loads the kernel's part that passes bridged packets to iptables, where it is not there.
///
/// # Errors
/// Fails when the kernel has none.
pub(super) fn need_bridge_netfilter() -> Result<()> {
    if Path::new(BRIDGE_NETFILTER).exists() {
        return Ok(());
    }
    // Its own message says less than the one below.
    output("modprobe", &["br_netfilter"]);
    if Path::new(BRIDGE_NETFILTER).exists() {
        return Ok(());
    }
    let why = "Services and policies between pods of one node need the kernel module br_netfilter, which can't be loaded";
    Err(Environment(format!(
        "{why}: run `modprobe br_netfilter` on this machine, or outside of the container that this is"
    ))
    .into())
}

/// Makes the LAN: a bridge in a namespace, and a client on it.
pub(super) fn lan(place: &Place) -> Result<()> {
    let (lan, client) = (place.namespace("lan"), place.namespace("client"));
    ip(&format!("netns add {lan}"))?;
    ip(&format!("-n {lan} link set lo up"))?;
    ip(&format!("-n {lan} link add lan type bridge"))?;
    ip(&format!("-n {lan} addr add {GATEWAY}/24 dev lan"))?;
    ip(&format!("-n {lan} link set lan up"))?;
    ip(&format!("netns add {client}"))?;
    ip(&format!("link add lan-client netns {lan} type veth peer name eth0 netns {client}"))?;
    ip(&format!("-n {lan} link set lan-client master lan up"))?;
    ip(&format!("-n {client} addr add {CLIENT}/24 dev eth0"))?;
    ip(&format!("-n {client} link set eth0 up"))?;
    ip(&format!("-n {client} link set lo up"))
}

/// Gives a node its part of the pod network, once the controllers have chosen it.
pub(super) fn join(place: &Place, node: &str, interrupt: &Interrupt) -> Result<Member> {
    let mut cidr = String::new();
    interrupt.until(&format!("the pod network of {node}"), 60, || {
        let path = "jsonpath={.spec.podCIDR}";
        let asked = place.kubectl(&["get", "node", node, "-o", path]).and_then(|mut ask| capture(&mut ask));
        cidr = asked.unwrap_or_default().trim().to_owned();
        !cidr.is_empty()
    })?;
    let on = |words: &str| words_on(place, node, words);
    let base = cidr.split('/').next().unwrap_or_default().to_owned();
    on(&format!(
        "ip link add flannel.1 type vxlan id 1 dev eth0 local {} dstport 8472 nolearning",
        address(node)
    ))?;
    on(&format!("ip addr add {base}/32 dev flannel.1"))?;
    on("ip link set flannel.1 mtu 1450 up")?;
    let mac = on("cat /sys/class/net/flannel.1/address")?.trim().to_owned();
    annotate(place, node, &mac)?;
    masquerade(place, node, &cidr)?;
    let dir = place.node_dir(node);
    fs::write(
        dir.join("cni-conf/10-flannel.conflist"),
        cni(&cidr, &dir.join("cni-lib").display().to_string()),
    )?;
    Ok(Member { node: node.to_owned(), cidr, mac })
}

/// Tells each node how to reach the others' pods.
pub(super) fn connect(place: &Place, members: &[Member]) -> Result<()> {
    for here in members {
        for there in members.iter().filter(|there| there.node != here.node) {
            let (base, mac) = (there.base(), &there.mac);
            let on = |words: &str| words_on(place, &here.node, words);
            on(&format!("ip neigh replace {base} lladdr {mac} dev flannel.1 nud permanent"))?;
            on(&format!("bridge fdb replace {mac} dev flannel.1 dst {}", address(&there.node)))?;
            on(&format!("ip route replace {} via {base} dev flannel.1 onlink", there.cidr))?;
        }
    }
    Ok(())
}

fn annotate(place: &Place, node: &str, mac: &str) -> Result<()> {
    let data = format!("flannel.alpha.coreos.com/backend-data={{\"VNI\":1,\"VtepMAC\":\"{mac}\"}}");
    let public = format!("flannel.alpha.coreos.com/public-ip={}", address(node));
    let args = [
        "annotate",
        "node",
        node,
        "--overwrite",
        "flannel.alpha.coreos.com/backend-type=vxlan",
        &public,
        "flannel.alpha.coreos.com/kube-subnet-manager=true",
        &data,
    ];
    capture(&mut place.kubectl(&args)?).map(drop)
}

fn masquerade(place: &Place, node: &str, cidr: &str) -> Result<()> {
    let chain = "FLANNEL-POSTRTG";
    for rule in [
        format!("-t nat -N {chain}"),
        format!("-t nat -A POSTROUTING -j {chain}"),
        format!("-t nat -A {chain} -s {cidr} -d 10.42.0.0/16 -j RETURN"),
        format!("-t nat -A {chain} -s 10.42.0.0/16 -d {cidr} -j RETURN"),
        format!("-t nat -A {chain} -s 10.42.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully"),
        format!("-t nat -A {chain} ! -s 10.42.0.0/16 -d 10.42.0.0/16 -j MASQUERADE --random-fully"),
        "-A FORWARD -s 10.42.0.0/16 -j ACCEPT".to_owned(),
        "-A FORWARD -d 10.42.0.0/16 -j ACCEPT".to_owned(),
    ] {
        words_on(place, node, &format!("iptables -w {rule}"))?;
    }
    Ok(())
}

fn words_on(place: &Place, node: &str, words: &str) -> Result<String> {
    let mut words = words.split(' ');
    let mut command: Command = place.on(node, words.next().context("no command")?)?;
    capture(command.args(words))
}

fn cni(cidr: &str, leases: &str) -> String {
    let config = serde_json::json!({
        "name": "cbr0",
        "cniVersion": "1.0.0",
        "plugins": [
            {
                "type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "hairpinMode": true, "mtu": 1450,
                "ipam": {
                    "type": "host-local", "dataDir": leases, "ranges": [[{"subnet": cidr}]],
                    "routes": [{"dst": "10.42.0.0/16"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    config.to_string()
}
