//! One item of a document to an object, with everything that is wrong with it.

use serde_json::Value;

use crate::kinds::{Kind, Purpose};
use crate::list::Item;
use crate::object::{Object, ObjectId};
use crate::policy::{foreign, misnamed, names};
use crate::problem::{Extent, Note};
use crate::text::{UNKNOWN, shown};

/// What is wrong with a kustomization where manifests are expected.
pub(crate) const KUSTOMIZATION: &str =
    "a kustomization, which must be rendered first: use the output of `kubectl kustomize`";

/// Converts an item. With `None` the object can't be used at all.
pub(crate) fn object(item: Item, notes: &mut Vec<Note>) -> Option<Object> {
    if is_kustomization(&item.value) {
        let message = format!("{}{KUSTOMIZATION}", item.place());
        notes.push(Note { extent: Extent::Unreadable, message });
        return None;
    }
    let (place, hidden, doubts) = (item.place(), item.hidden(), item.doubts());
    let lost = if_lost(&item.value);
    let unrendered = unrendered(&item.value).or_else(|| misplaced(&item.value));
    let mut found = Vec::new();
    let mut object = Object::from_value(item.value, &mut found);
    let extent = object.as_ref().map_or(lost, Object::extent);
    let mut add = |extent, message| notes.push(Note { extent, message: format!("{place}{message}") });
    found.into_iter().for_each(|message| add(extent.clone(), message));
    if let Some(why) = hidden.or(unrendered) {
        add(Extent::Unreadable, why);
    } else if let (Some(object), Some(doubts)) = (&mut object, doubts) {
        let message = format!("{}: {doubts}", object.id);
        object.doubt(&doubts);
        add(object.extent_of_doubt(), message);
    }
    object
}

fn is_kustomization(value: &Value) -> bool {
    let version = value["apiVersion"].as_str().unwrap_or_default();
    version.starts_with("kustomize.config.k8s.io/")
        && matches!(value["kind"].as_str(), Some("Kustomization" | "Component"))
}

/// Returns how much is lost with an object that can't be used. The API refuses it as well, so no verdict depends on it, but
/// its author wants it applied.
fn if_lost(value: &Value) -> Extent {
    let text = |field: &str| value.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(kind) = text("kind") else {
        // Helm's values and the files of other programs have neither.
        let is_manifest =
            text("apiVersion").is_some() || (value.get("metadata").is_some() && value.get("spec").is_some());
        return if is_manifest { Extent::Unjudged(arcstr::literal!("document")) } else { Extent::Object };
    };
    let is_policy = || foreign::is_policy(value) || misnamed::refused(value).is_some();
    match kind.parse::<Kind>().is_ok() || kind.ends_with("List") || is_policy() {
        true => Extent::Unjudged(kind.into()),
        false => Extent::Object,
    }
}

/// Returns why an object is not as it will be in the cluster: its name or its labels still have the marks of a template.
fn unrendered(value: &Value) -> Option<String> {
    let metadata = &value["metadata"];
    let template = &value["spec"]["template"]["metadata"]["labels"];
    let names = [&value["kind"], &metadata["name"], &metadata["namespace"], &metadata["labels"], template];
    let marked = names.into_iter().flat_map(texts).find(|text| text.contains("{{") || text.contains("${"))?;
    Some(format!("{} is the mark of a template, which must be rendered first", shown(marked)))
}

/// Returns why a policy may be in any namespace: the one that it names can't exist, so the name stands for another one.
fn misplaced(value: &Value) -> Option<String> {
    let namespace = value["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty())?;
    if names::is_namespace(namespace) || namespace.contains(UNKNOWN) {
        return None;
    }
    let id = ObjectId::of(value).ok()?;
    let is_policy = match id.known_kind() {
        Some(kind) => kind.row().purpose == Purpose::Policies,
        None => foreign::is_policy(value),
    };
    (is_policy && !id.object.namespace.is_empty())
        .then(|| format!("{id}: metadata.namespace: {} is no name that the API accepts", shown(namespace)))
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Object(map) => {
            map.iter().flat_map(|(key, value)| [Some(key.as_str()), value.as_str()]).flatten().collect()
        }
        _ => Vec::new(),
    }
}
