//! The filters of flows as options: those of the API, with its names.

use anyhow::bail;
use clap::Args;

use crate::commands::names::joined;
use crate::filter::{FlowFilter, Subject};

/// What the help of `tail` says about filters.
pub(super) const OF_RECORDS: &str = "\
Several values of a filter, with commas or repeated, are alternatives; different filters must all match. A record that
lacks what a filter is about, as an announcement lacks --from, passes only filters with --not-. Records of kind `lost`
pass every filter but --kind: what was lost may have matched.";

/// What the help of `findings` says about filters.
pub(super) const OF_FINDINGS: &str = "\
Several values of a filter, with commas or repeated, are alternatives; different filters must all match. --from, --to and
--port look at the newest example of a finding. Only policy_denied and latent_denial have a verdict, which is deny. A
finding that lacks what a filter is about, as the flap of a VIP lacks --from, passes only filters with --not-.";

/// Holds the filters of `tail` and `findings`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only flows from here: a namespace, NS/NAME of a pod, workload or Service, an address, or a CIDR
    #[arg(long, value_name = "WHERE", value_delimiter = ',')]
    from: Vec<String>,
    /// Only flows to here, by the address that the client used or by the backend's
    #[arg(long, value_name = "WHERE", value_delimiter = ',')]
    to: Vec<String>,
    /// Only flows to this port, or to a range like 8000-8999
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    port: Vec<String>,
    /// Only flows about which the policies decided so: allow, deny or unknown
    #[arg(long, value_name = "DECISION", value_delimiter = ',')]
    verdict: Vec<String>,
    /// Only flows that this policy decided, and its own changes; NAME alone is in any namespace
    #[arg(long, value_name = "NS/NAME", value_delimiter = ',')]
    policy: Vec<String>,
    /// Only what has this reason, of a drop or of a RST, such as no_socket; `unknown` for a RST without one. In findings, a word of their sentence or evidence
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    reason: Vec<String>,
    /// Only what has this cause, such as conntrack_full. In findings, a part of their cause
    #[arg(long, value_name = "CAUSE", value_delimiter = ',')]
    cause: Vec<String>,
    /// Not those that --from selects
    #[arg(long, value_name = "WHERE", value_delimiter = ',')]
    not_from: Vec<String>,
    /// Not those that --to selects
    #[arg(long, value_name = "WHERE", value_delimiter = ',')]
    not_to: Vec<String>,
    /// Not those that --port selects
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    not_port: Vec<String>,
    /// Not those that --verdict selects
    #[arg(long, value_name = "DECISION", value_delimiter = ',')]
    not_verdict: Vec<String>,
    /// Not those that --policy selects
    #[arg(long, value_name = "NS/NAME", value_delimiter = ',')]
    not_policy: Vec<String>,
    /// Not those that --reason selects
    #[arg(long, value_name = "REASON", value_delimiter = ',')]
    not_reason: Vec<String>,
    /// Not those that --cause selects
    #[arg(long, value_name = "CAUSE", value_delimiter = ',')]
    not_cause: Vec<String>,
    /// Only those for which this expression in CEL is true, e.g. `dst.port == 5432 && verdict.decision == "deny"`. Fields
    /// are those of -o json; a record without a field that the expression needs doesn't match
    #[arg(long, value_name = "EXPR", allow_hyphen_values = true)]
    filter: Option<String>,
}

impl FilterArgs {
    /// Returns the parameters of a request for these filters.
    ///
    /// # Errors
    /// Fails when an agent would refuse one of them.
    pub(super) fn parameters(&self, subject: Subject) -> anyhow::Result<Vec<(&'static str, String)>> {
        let mut filter = FlowFilter::default();
        let parameters: Vec<_> = self.given().collect();
        for (name, value) in &parameters {
            if let Err(error) = filter.add(subject, name, value) {
                bail!("--{}: {error}", name.replace('_', "-"));
            }
        }
        Ok(parameters)
    }

    fn given(&self) -> impl Iterator<Item = (&'static str, String)> {
        let lists = [
            ("from", &self.from),
            ("to", &self.to),
            ("port", &self.port),
            ("verdict", &self.verdict),
            ("policy", &self.policy),
            ("reason", &self.reason),
            ("cause", &self.cause),
            ("not_from", &self.not_from),
            ("not_to", &self.not_to),
            ("not_port", &self.not_port),
            ("not_verdict", &self.not_verdict),
            ("not_policy", &self.not_policy),
            ("not_reason", &self.not_reason),
            ("not_cause", &self.not_cause),
        ];
        let lists = lists.into_iter().map(|(name, values)| (name, joined(values.iter().map(String::as_str))));
        let all = lists.chain([("filter", self.filter.clone())]);
        all.filter_map(|(name, value)| Some((name, value?)))
    }
}

#[cfg(test)]
mod tests;
