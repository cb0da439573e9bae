//! Who is bound to a role.

use arcstr::ArcStr;
use serde_json::Value;

/// The service accounts among a binding's subjects. One without namespace is in that of a RoleBinding.
pub(super) fn accounts(namespace: &ArcStr, binding: &Value) -> Vec<(ArcStr, ArcStr)> {
    let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let accounts = subjects.iter().filter(|subject| subject["kind"] == "ServiceAccount");
    let account = |subject: &Value| {
        let own = subject["namespace"].as_str().filter(|own| !own.is_empty());
        Some((own.map_or_else(|| namespace.clone(), ArcStr::from), subject["name"].as_str()?.into()))
    };
    accounts.filter_map(account).collect()
}
