//! NetworkPolicy of `networking.k8s.io/v1`.

use std::net::IpAddr;

use flow_model::object_ref::ObjectRef;
use flow_model::policies::{NetworkPolicy, Origin, Peer, Rule};
use ipnet::{IpNet, Ipv4Net};

use crate::policy::field::{Field, Record, Result};
use crate::policy::{ports, selector};
use crate::text::shown;

const SPEC: [&str; 4] = ["podSelector", "policyTypes", "ingress", "egress"];

/// Reads a NetworkPolicy.
pub(super) fn read(key: &ObjectRef, object: &Record<'_>, origin: Origin) -> Result<NetworkPolicy> {
    let spec = match object.get("spec") {
        Some(spec) => spec.record(&SPEC)?,
        None => Record::empty("spec"),
    };
    // A section that is not in effect must be valid all the same, or the API refuses the policy.
    let (ingress, egress) = (rules(&spec, "ingress", "from")?, rules(&spec, "egress", "to")?);
    let isolates = directions(&spec)?;
    Ok(NetworkPolicy {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        selector: selector::or_everything(spec.get("podSelector"))?,
        ingress: isolates.0.then_some(ingress),
        egress: isolates.1.then_some(egress),
        origin,
    })
}

/// Returns whether it isolates ingress, and egress. Without `policyTypes` it isolates ingress always, and egress where it has
/// a rule.
pub(super) fn directions(spec: &Record<'_>) -> Result<(bool, bool)> {
    let types = spec.list("policyTypes")?;
    if types.is_empty() {
        return Ok((true, !spec.list("egress")?.is_empty()));
    }
    let (mut ingress, mut egress) = (false, false);
    for field in &types {
        match field.text()? {
            "Ingress" => ingress = true,
            "Egress" => egress = true,
            other => return Err(field.wrong(format_args!("{} is not one of Ingress, Egress", shown(other)))),
        }
    }
    Ok((ingress, egress))
}

/// Is true when all fields of `spec` are known. A field that is not may act in any direction.
pub(super) fn is_known(spec: &Record<'_>) -> bool {
    spec.unknown(&SPEC).is_none()
}

fn rules(spec: &Record<'_>, section: &str, peers: &str) -> Result<Vec<Rule>> {
    let rule = |field: &Field<'_>| {
        let rule = field.record(&[peers, "ports"])?;
        Ok(Rule {
            peers: rule.list(peers)?.iter().map(peer).collect::<Result<_>>()?,
            ports: rule.list("ports")?.iter().map(ports::entry).collect::<Result<_>>()?,
        })
    };
    spec.list(section)?.iter().map(rule).collect()
}

fn peer(field: &Field<'_>) -> Result<Peer> {
    let peer = field.record(&["podSelector", "namespaceSelector", "ipBlock"])?;
    let selector = |name| peer.get(name).map(|field| selector::read(&field)).transpose();
    let (pods, namespaces) = (selector("podSelector")?, selector("namespaceSelector")?);
    match (peer.get("ipBlock"), pods.is_some() || namespaces.is_some()) {
        (None, true) => Ok(Peer::Pods { namespaces, pods }),
        (Some(block), false) => self::block(&block),
        (Some(block), true) => Err(block.wrong("stands alone, without podSelector and namespaceSelector")),
        (None, false) => Err(field.wrong("needs a podSelector, a namespaceSelector or an ipBlock")),
    }
}

fn block(field: &Field<'_>) -> Result<Peer> {
    let block = field.record(&["cidr", "except"])?;
    let cidr = cidr(&block.need("cidr")?)?;
    let except = |field: &Field<'_>| {
        let except = self::cidr(field)?;
        match cidr.contains(&except) && cidr != except {
            true => Ok(except),
            false => Err(field.wrong(format_args!("`{except}` is not inside {cidr}, and smaller"))),
        }
    };
    Ok(Peer::Block { cidr, except: block.list("except")?.iter().map(except).collect::<Result<_>>()? })
}

/// Reads a CIDR. Bits past the prefix are legal and have no meaning. An IPv4-mapped IPv6 network becomes IPv4.
pub(super) fn cidr(field: &Field<'_>) -> Result<IpNet> {
    let text = field.text()?;
    let net: IpNet = text.parse().map_err(|_| match text.parse::<IpAddr>() {
        Ok(ip) => field.wrong(format_args!(
            "{} is not a CIDR: one address is written {ip}/{}",
            shown(text),
            if ip.is_ipv4() { 32 } else { 128 }
        )),
        Err(_) => field.wrong(format_args!("{} is not a CIDR", shown(text))),
    })?;
    Ok(plain(net.trunc()))
}

fn plain(net: IpNet) -> IpNet {
    if let IpNet::V6(six) = net
        && let Some(four) = six.addr().to_ipv4_mapped()
        && let Some(prefix) = six.prefix_len().checked_sub(96)
        && let Ok(four) = Ipv4Net::new(four, prefix)
    {
        return IpNet::V4(four);
    }
    net
}
