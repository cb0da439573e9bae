//! The schemas of the answers, from their types.

use std::mem;

use flow_model::baseline::Baseline;
use flow_model::decision::DirectionVerdict;
use flow_model::finding::{FindingKind, State};
use flow_model::flow::Outcome;
use flow_model::policies::Protocol;
use flow_model::record::{FlowRecord, Kind};
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use crate::http::findings::Findings;
use crate::http::pairs::Pairs;
use crate::http::vips::Vips;

const PATH: &str = "#/components/schemas/";

/// Returns every schema that the written part refers to, and those that they refer to, by name.
pub(super) fn of_answers() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let settings = settings.with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator: SchemaGenerator = settings.into_generator();
    generator.subschema_for::<FlowRecord>();
    generator.subschema_for::<Kind>();
    generator.subschema_for::<Outcome>();
    generator.subschema_for::<Protocol>();
    generator.subschema_for::<Pairs>();
    generator.subschema_for::<Findings>();
    generator.subschema_for::<FindingKind>();
    generator.subschema_for::<State>();
    generator.subschema_for::<Vips>();
    generator.subschema_for::<DirectionVerdict>();
    generator.subschema_for::<Baseline>();
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(simplify);
    separate_records(&mut schemas);
    schemas
}

/// Writes a schema the way the answers are: a field without a value is absent, not null; an address is one of the two
/// formats that JSON Schema knows; an enumeration is a list of its values.
fn simplify(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            optional_fields_are_absent(object);
            if object.get("format") == Some(&json!("ip")) {
                object.retain(|key, _| key == "description");
                object.insert("$ref".into(), format!("{PATH}Ip").into());
            }
            list_values(object);
            if let Some(Value::String(text)) = object.get_mut("description") {
                // Links of rustdoc lead nowhere here.
                *text = text.replace("[`", "`").replace("`]", "`");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(simplify),
        _ => {}
    }
}

/// Removes `null` from the fields that are not required.
fn optional_fields_are_absent(object: &mut Map<String, Value>) {
    let required = object.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(Value::Object(properties)) = object.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(&json!(name))) {
        let Value::Object(property) = property else { continue };
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [only] = &mut types[..] {
                let only = only.take();
                property.insert("type".into(), only);
            }
        }
        if let Some(Value::Array(alternatives)) = property.get_mut("anyOf") {
            alternatives.retain(|alternative| alternative["type"] != "null");
            if let [Value::Object(only)] = &mut alternatives[..] {
                let only = mem::take(only);
                property.remove("anyOf");
                property.extend(only);
            }
        }
        if property.get("default").is_some_and(Value::is_null) {
            property.remove("default");
        }
    }
}

/// Turns alternatives that are all plain values into one `enum`. They are apart where a value has a comment of its own.
fn list_values(object: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = object.get("oneOf") else { return };
    let values = alternatives.iter().map(|alternative| match (&alternative["const"], &alternative["enum"]) {
        (Value::Null, Value::Array(values)) => Some(values.clone()),
        (Value::Null, _) => None,
        (value, _) => Some(vec![value.clone()]),
    });
    let Some(values) = values.collect::<Option<Vec<_>>>() else { return };
    object.remove("oneOf");
    object.insert("type".into(), "string".into());
    object.insert("enum".into(), values.concat().into());
}

/// Gives each kind of record a complete schema. The type has the common fields once, and one of several bodies.
fn separate_records(schemas: &mut Map<String, Value>) {
    let Some(common) = schemas.remove("FlowRecord") else { return };
    let (mut alternatives, mut mapping) = (Vec::new(), Map::new());
    for variant in common["oneOf"].as_array().into_iter().flatten() {
        let (Some(reference), Some(kind)) =
            (variant["$ref"].as_str(), variant["properties"]["kind"]["const"].as_str())
        else {
            continue;
        };
        if let Some(Value::Object(body)) = schemas.get_mut(reference.trim_start_matches(PATH)) {
            add_fields(body, &common);
            add_fields(body, variant);
        }
        alternatives.push(json!({ "$ref": reference }));
        mapping.insert(kind.into(), reference.into());
    }
    let record = json!({
        "description": common["description"],
        "oneOf": alternatives,
        "discriminator": { "propertyName": "kind", "mapping": mapping },
    });
    schemas.insert("FlowRecord".into(), record);
}

fn add_fields(body: &mut Map<String, Value>, from: &Value) {
    if let (Some(Value::Object(to)), Value::Object(from)) = (body.get_mut("properties"), &from["properties"])
    {
        to.extend(from.clone());
    }
    if let (Some(Value::Array(to)), Value::Array(from)) = (body.get_mut("required"), &from["required"]) {
        to.extend(from.iter().cloned());
    }
}
