//! Label selectors.

use arcstr::ArcStr;
use flow_model::policies::{Operator, PodsPeer, Requirement, Selector};

use crate::policy::field::{Field, Result};
use crate::policy::names;
use crate::text::shown;

/// Reads a selector.
pub(super) fn read(field: &Field<'_>) -> Result<Selector> {
    let selector = field.record(&["matchLabels", "matchExpressions"])?;
    let mut requirements = Vec::new();
    if let Some(labels) = selector.get("matchLabels") {
        let labels = labels.any_record()?;
        for (name, value) in labels.all() {
            let key = key(&value, name)?;
            requirements.push(Requirement { key, operator: Operator::In(vec![label_value(&value)?]) });
        }
    }
    for expression in selector.list("matchExpressions")? {
        requirements.push(requirement(&expression)?);
    }
    Ok(Selector { requirements })
}

/// Reads a selector that may be absent; then it selects everything.
pub(super) fn or_everything(field: Option<Field<'_>>) -> Result<Selector> {
    field.map_or_else(|| Ok(Selector::default()), |field| read(&field))
}

/// Reads `{namespaceSelector, podSelector}` of a tiered policy.
pub(super) fn namespaced_pod(field: &Field<'_>) -> Result<PodsPeer> {
    let pods = field.record(&["namespaceSelector", "podSelector"])?;
    let namespaces = or_everything(pods.get("namespaceSelector"))?;
    Ok(PodsPeer { namespaces, pods: Some(read(&pods.need("podSelector")?)?) })
}

fn requirement(field: &Field<'_>) -> Result<Requirement> {
    let expression = field.record(&["key", "operator", "values"])?;
    let (name, operator) = (expression.need("key")?, expression.need("operator")?);
    let key = key(&name, name.text()?)?;
    let values: Vec<_> = expression.list("values")?.iter().map(label_value).collect::<Result<_>>()?;
    let text = operator.text()?;
    let operator = match (text, values.is_empty()) {
        ("In", false) => Operator::In(values),
        ("NotIn", false) => Operator::NotIn(values),
        ("Exists", true) => Operator::Exists,
        ("DoesNotExist", true) => Operator::DoesNotExist,
        ("In" | "NotIn", true) => return Err(field.wrong(format_args!("{text} needs values"))),
        ("Exists" | "DoesNotExist", false) => {
            return Err(field.wrong(format_args!("{text} takes no values")));
        }
        _ => {
            let why = format_args!("{} is not one of In, NotIn, Exists, DoesNotExist", shown(text));
            return Err(operator.wrong(why));
        }
    };
    Ok(Requirement { key, operator })
}

fn key(at: &Field<'_>, text: &str) -> Result<ArcStr> {
    match names::is_label_key(text) {
        true => Ok(text.into()),
        false => Err(at.wrong(format_args!("{} is not a label key", shown(text)))),
    }
}

fn label_value(field: &Field<'_>) -> Result<ArcStr> {
    let text = field.text()?;
    match names::is_label_value(text) {
        true => Ok(text.into()),
        false => Err(field.wrong(format_args!("{} is not a label value", shown(text)))),
    }
}
