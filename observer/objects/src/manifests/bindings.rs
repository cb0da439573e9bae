//! Service accounts that are bound to a role.

use arcstr::ArcStr;
use flow_model::object_ref::ObjectRef;
use serde_json::Value;

/// Returns the service accounts among a binding's subjects. One without namespace is in that of the RoleBinding.
pub(super) fn accounts(namespace: &ArcStr, binding: &Value) -> Vec<ObjectRef> {
    let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let accounts = subjects.iter().filter(|subject| subject["kind"] == "ServiceAccount");
    let account = |subject: &Value| {
        let own = subject["namespace"].as_str().filter(|own| !own.is_empty());
        Some(ObjectRef::new(own.map_or_else(|| namespace.clone(), ArcStr::from), subject["name"].as_str()?))
    };
    accounts.filter_map(account).collect()
}
