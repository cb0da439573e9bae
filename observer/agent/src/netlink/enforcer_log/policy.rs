//! The policy that a line of the log names.

use arcstr::ArcStr;

/// The fork of kube-router in k3s puts this before the policy's namespace and name:
/// `--nflog-prefix "DROP by policy default/deny-all"`. kube-router itself has no prefix.
const PREFIX: &str = "DROP by policy ";
/// The longest prefixes of iptables' NFLOG and of nftables' `log`, without the final NUL: a longer one was cut. See
/// `struct xt_nflog_info` and `NF_LOG_PREFIXLEN` in <https://github.com/torvalds/linux/tree/v6.12/include>.
const LONGEST: [usize; 2] = [63, 127];

/// Returns the policy as `namespace/name`, for display. Whoever may change the node's firewall chooses this text, so only
/// what a name of Kubernetes may consist of is taken.
pub(super) fn policy(prefix: &[u8]) -> Option<ArcStr> {
    let name = std::str::from_utf8(prefix).ok()?.strip_prefix(PREFIX)?.trim_end();
    let (namespace, policy) = name.split_once('/')?;
    let of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name = !namespace.is_empty()
        && namespace.chars().all(of_names)
        && !policy.is_empty()
        && policy.chars().all(|c| of_names(c) || c == '.');
    let cut = if LONGEST.contains(&prefix.len()) { "..." } else { "" };
    is_name.then(|| arcstr::format!("{name}{cut}"))
}

#[cfg(test)]
mod tests;
