//! VIPs as a table.

use std::fmt::{self, Display};

use anstyle::Style;
use flow_model::vip::{ApiClaim, Claim, ClaimSource, Vip};
use jiff::{SignedDuration, Timestamp};

use crate::client::joined_vips::Seen;
use crate::client::print::{Look, printable, table};

const HEAD: [&str; 8] = ["VIP", "SERVICE", "CLAIMANT", "MAC", "SINCE", "MOVES", "API", "SEEN BY"];

/// Displays VIPs as a table with a row for each.
pub(crate) struct VipTable<'a> {
    pub(crate) seen: &'a [Seen],
    pub(crate) look: &'a Look,
    /// The time to which ages refer.
    pub(crate) now: Timestamp,
    /// The start of the agent that listens for longest, where it is known.
    pub(crate) heard_from: Option<Timestamp>,
}

impl Display for VipTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.seen.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = self.seen.iter().map(|seen| self.row(seen)).collect();
        let lines = table::lines(HEAD, &rows);
        let (head, rows) = lines.split_first().map_or(("", [].as_slice()), |(head, rows)| (head, rows));
        writeln!(f, "{}", self.look.paint(Style::new().bold(), head))?;
        rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl VipTable<'_> {
    fn row(&self, Seen { vip, not_heard_since, seen_by }: &Seen) -> [String; HEAD.len()] {
        let Vip { ip, services, claimant, moves, api, .. } = vip;
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { printable(&text) };
        let of = |part: fn(&Claim) -> String| claimant.as_ref().map(part);
        let api: Vec<_> = api.iter().map(|claim| self.statement(claim)).collect();
        let not_heard = not_heard_since.map(|since| format!("not heard since {}", self.look.time(since)));
        [
            ip.to_string(),
            or_dash(services.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
            or_dash(of(holder).or(not_heard).unwrap_or_default()),
            or_dash(
                of(|claim| if claim.received { String::new() } else { claim.mac.to_string() })
                    .unwrap_or_default(),
            ),
            or_dash(claimant.as_ref().map(|claim| self.look.time(claim.since)).unwrap_or_default()),
            moves.to_string(),
            or_dash(api.join(", ")),
            or_dash(seen_by.join(",")),
        ]
    }
}

impl VipTable<'_> {
    /// Returns what an object of the API says, and how old that is: an Event describes one moment, and nothing takes it back.
    fn statement(&self, ApiClaim { source, node, since, .. }: &ApiClaim) -> String {
        let said = format!("{source} {}", node.as_deref().unwrap_or("-"));
        let Some(since) = *since else { return said };
        let age = age(self.now.duration_since(since));
        if *source != ClaimSource::Event {
            return format!("{said} (for {age})");
        }
        let unheard = self.heard_from.is_some_and(|heard_from| since < heard_from);
        let unheard = if unheard { ", before the agent's start" } else { "" };
        format!("{said} (first {age} ago{unheard})")
    }
}

/// Returns a time span in its largest unit.
fn age(age: SignedDuration) -> String {
    match age.as_secs().max(0) {
        seconds @ ..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

fn holder(claim: &Claim) -> String {
    let node = claim.node.as_deref().unwrap_or("unknown");
    // Behind a router several nodes may receive connections.
    if claim.received { format!("{node} (receives)") } else { node.to_owned() }
}

#[cfg(test)]
mod tests;
