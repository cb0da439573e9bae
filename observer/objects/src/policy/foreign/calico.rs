//! Calico's selector expressions, as far as they are lists of conditions that must all hold. A condition that isn't
//! understood is left out, and so is an expression of another form: then more pods match than really do, and none is missed.
//!
//! There is no crate that reads them. Source: <https://docs.tigera.io/calico/latest/reference/resources/networkpolicy#selectors>.

use arcstr::ArcStr;
use flow_model::policies::{Operator, Requirement, Selector};
use serde_json::Value;

use crate::policy::names;

/// Is true for what Calico's API server shows of a policy of Kubernetes, which is judged by itself. Nobody else may use these
/// names.
pub(super) fn is_copy(group: &str, kind: &str, name: &str) -> bool {
    let copies: &[&str] = match kind {
        "NetworkPolicy" => &["knp.default."],
        "GlobalNetworkPolicy" => &["kanp.adminnetworkpolicy.", "kbanp.baselineadminnetworkpolicy."],
        _ => &[],
    };
    group == "projectcalico.org" && copies.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads an expression. One that is absent selects everything.
pub(super) fn selector(expression: &Value) -> Selector {
    let text = expression.as_str().unwrap_or_default();
    let grouped = text.replace("has(", "").replace("all()", "").contains('(');
    if text.contains("||") || grouped || text.contains("!all()") {
        return Selector::default();
    }
    Selector { requirements: text.split("&&").filter_map(|part| requirement(part.trim())).collect() }
}

fn requirement(text: &str) -> Option<Requirement> {
    let (key, operator) = if let Some(key) = text.strip_prefix("!has(") {
        (key.strip_suffix(')')?, Operator::DoesNotExist)
    } else if let Some(key) = text.strip_prefix("has(") {
        (key.strip_suffix(')')?, Operator::Exists)
    } else if let Some((key, value)) = text.split_once("==") {
        (key, Operator::In(vec![quoted(value)?]))
    } else if let Some((key, value)) = text.split_once("!=") {
        (key, Operator::NotIn(vec![quoted(value)?]))
    } else if let Some((key, values)) = text.split_once(" not in ") {
        (key, Operator::NotIn(set(values)?))
    } else {
        let (key, values) = text.split_once(" in ")?;
        (key, Operator::In(set(values)?))
    };
    let key = key.trim();
    // Calico adds such labels by itself.
    let is_label = names::is_label_key(key) && !key.starts_with("projectcalico.org/");
    is_label.then(|| Requirement { key: key.into(), operator })
}

fn quoted(text: &str) -> Option<ArcStr> {
    let text = text.trim();
    let inner = ['\'', '"'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))?;
    (!inner.contains(['\'', '"'])).then(|| inner.into())
}

fn set(text: &str) -> Option<Vec<ArcStr>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    inner.split(',').map(quoted).collect()
}
