//! The fields of records and findings, by their schemas: an expression with a field that doesn't exist is an error.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use flow_model::finding::Finding;
use flow_model::record::FlowRecord;
use schemars::schema_for;
use serde_json::Value;

use crate::filter::Subject;

/// A schema as JSON.
pub(super) type Schema = Value;

/// The fields of one subject.
pub(super) struct Fields {
    document: Schema,
    names: Vec<String>,
}

static OF_RECORD: LazyLock<Fields> = LazyLock::new(|| Fields::new(schema_for!(FlowRecord).to_value()));
static OF_FINDING: LazyLock<Fields> = LazyLock::new(|| Fields::new(schema_for!(Finding).to_value()));

impl Fields {
    /// Returns the fields that some records have, or findings.
    pub(super) fn of(subject: Subject) -> &'static Self {
        match subject {
            Subject::Record => &OF_RECORD,
            Subject::Finding => &OF_FINDING,
        }
    }

    fn new(document: Schema) -> Self {
        let mut fields = Self { document, names: Vec::new() };
        fields.names = fields.of_schema(&fields.document).into_keys().collect();
        fields
    }

    /// Returns the names of the outermost fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Returns the schema of an outermost field.
    pub(super) fn schema(&self, name: &str) -> Option<&Schema> {
        self.of_schema(&self.document).remove(name)
    }

    /// Returns the fields of what a schema describes, with those of all its alternatives. Texts and numbers have none.
    pub(super) fn of_schema<'a>(&'a self, schema: &'a Schema) -> BTreeMap<String, &'a Schema> {
        let mut fields = BTreeMap::new();
        self.collect(schema, &mut fields);
        fields
    }

    fn collect<'a>(&'a self, schema: &'a Schema, fields: &mut BTreeMap<String, &'a Schema>) {
        if let Some(properties) = schema["properties"].as_object() {
            fields.extend(properties.iter().map(|(name, schema)| (name.clone(), schema)));
        }
        let reference = schema["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
        if let Some(schema) = reference.and_then(|pointer| self.document.pointer(pointer)) {
            self.collect(schema, fields);
        }
        let alternatives = ["oneOf", "anyOf", "allOf"].into_iter().filter_map(|key| schema[key].as_array());
        alternatives.flatten().for_each(|schema| self.collect(schema, fields));
    }
}
