//! Plans that don't hold the whole change.

use serde_json::Value;

/// Returns why the plan may lack a part of the change.
pub(super) fn reasons(plan: &Value) -> impl Iterator<Item = &'static str> {
    let is_planned = plan["planned_values"].is_object() && !plan["resource_changes"].is_array();
    let reasons = [
        (plan["errored"] == true, "planning failed, so it is not complete"),
        (plan["complete"] == false, "it is not complete: another plan must follow once it is applied"),
        (
            is_planned,
            "planned_values without resource_changes lack what is deleted, and values that are only known when the plan is \
             applied",
        ),
    ];
    reasons.into_iter().filter_map(|(is_so, why)| is_so.then_some(why))
}
