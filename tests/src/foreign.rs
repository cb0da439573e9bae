//! Lists the filters on the clsact qdiscs of a namespace.

use anyhow::Result;

use crate::netns::Netns;

/// The prefix of the names of the agent's programs.
pub const OURS: &str = "flow_obs";

/// Both directions of a device.
pub const DIRECTIONS: [&str; 2] = ["ingress", "egress"];

/// Returns the filters on the clsact qdisc of a device whose name has `part`, as tc shows them.
///
/// # Errors
/// Fails when tc fails.
pub fn filters(ns: &Netns, device: &str, part: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if !ns.exec(format!("tc qdisc show dev {device}"))?.contains("clsact") {
        return Ok(found);
    }
    for direction in DIRECTIONS {
        let shown = ns.exec(format!("tc filter show dev {device} {direction}"))?;
        found.extend(
            shown.lines().filter(|l| l.contains(part)).map(|l| format!("{device} {direction}: {}", l.trim())),
        );
    }
    Ok(found)
}

/// Returns the agent's filters on any device of a namespace.
///
/// # Errors
/// Fails when a tool fails.
pub fn our_filters(ns: &Netns) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for device in devices(ns)? {
        found.extend(filters(ns, &device, OURS)?);
    }
    Ok(found)
}

/// Returns the names of all devices of a namespace.
///
/// # Errors
/// Fails when `ip` fails.
pub fn devices(ns: &Netns) -> Result<Vec<String>> {
    let links = ns.ip("-o link")?;
    let name = |line: &str| Some(line.split(": ").nth(1)?.split('@').next()?.to_owned());
    Ok(links.lines().filter_map(name).collect())
}
