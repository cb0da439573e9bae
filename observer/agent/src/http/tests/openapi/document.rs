//! The document as a reader of it sees it.

use jsonschema::Validator;
use serde_json::{Map, Value, json};

use crate::http::tests::client::Answer;
use crate::http::tests::openapi::walk;

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

#[derive(Clone)]
pub(super) struct Document(pub(super) Value);

/// A path with one of its methods.
pub(super) struct Operation<'a> {
    pub(super) method: &'static str,
    pub(super) path: &'a str,
    document: &'a Document,
    object: &'a Value,
}

/// A JSON text that the agent wrote, and where its schema is.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) schema: Value,
    pub(super) json: Value,
}

impl Document {
    pub(super) fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            METHODS.into_iter().filter_map(move |method| {
                let object = item.get(method.to_ascii_lowercase())?;
                Some(Operation { method, path, document: self, object })
            })
        });
        operations.collect()
    }

    pub(super) fn operation(&self, method: &str, path: &str) -> Operation<'_> {
        let found = self.operations().into_iter().find(|op| (op.method, op.path) == (method, path));
        found.unwrap_or_else(|| panic!("{method} {path} is not described"))
    }

    pub(super) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        let Some(reference) = value.get("$ref") else { return value };
        let reference = reference.as_str().unwrap();
        let target = reference.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer));
        target.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// Returns the document without room for fields that it doesn't name: readers pass over those, but the agent is not
    /// to write any.
    pub(super) fn closed(mut self) -> Self {
        close(&mut self.0);
        self
    }

    /// The named schemas that this one leads to.
    pub(super) fn needed(&self, schema: &Value) -> Map<String, Value> {
        let mut needed = Map::new();
        let mut open = vec![schema.clone()];
        while let Some(schema) = open.pop() {
            walk(&schema, "", &mut |_, value| {
                let reference = value.get("$ref").and_then(Value::as_str);
                let name = reference.and_then(|reference| reference.strip_prefix("#/components/schemas/"));
                if let Some(name) = name.filter(|name| !needed.contains_key(*name)) {
                    needed.insert(name.to_owned(), self.resolve(value).clone());
                    open.push(self.resolve(value).clone());
                }
            });
        }
        needed
    }

    /// Returns the validator of a schema in this document.
    pub(super) fn validator(&self, schema: &Value) -> Validator {
        let root = json!({"allOf": [schema], "components": {"schemas": self.needed(schema)}});
        jsonschema::options().should_validate_formats(true).build(&root).unwrap()
    }

    /// Returns what is wrong with the sample, for people.
    pub(super) fn faults(&self, sample: &Sample) -> Vec<String> {
        let validator = self.validator(&sample.schema);
        let faults = validator.iter_errors(&sample.json);
        faults
            .map(|fault| format!("{} at {}: {}", sample.schema, fault.instance_path(), sample.json))
            .collect()
    }
}

fn close(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(close);
            if object.get("properties").is_some_and(Value::is_object) {
                object.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}

impl<'a> Operation<'a> {
    pub(super) fn parameters(&self, place: &str) -> Vec<&'a Value> {
        let parameters = self.object.get("parameters").and_then(Value::as_array);
        let parameters = parameters.into_iter().flatten().map(|parameter| self.document.resolve(parameter));
        parameters.filter(|parameter| parameter["in"] == place).collect()
    }

    pub(super) fn statuses(&self) -> Vec<u16> {
        let responses = self.object["responses"].as_object().unwrap();
        responses.keys().map(|status| status.parse().unwrap()).collect()
    }

    /// Compares an answer with the description of its status, and takes the JSON out of it.
    pub(super) fn samples(&self, answer: &Answer) -> Vec<Sample> {
        let what = format!("{} {} {}", self.method, self.path, answer.status);
        let response = self.object["responses"].get(answer.status.to_string());
        let response = response.unwrap_or_else(|| panic!("{what} is not described: {}", answer.body));
        let response = self.document.resolve(response);
        for (name, header) in response.get("headers").and_then(Value::as_object).into_iter().flatten() {
            let required = self.document.resolve(header).get("required") == Some(&json!(true));
            assert!(!required || !answer.header(name).is_empty(), "{what}: {name} is missing");
        }
        let Some(content) = response.get("content") else {
            assert_eq!(answer.body, "", "{what} has no content");
            return Vec::new();
        };
        let media = answer.header("content-type").split(';').next().unwrap();
        let schema = content.get(media).unwrap_or_else(|| panic!("{what}: {media} is not described"));
        let sample = |text: &str| Sample {
            schema: schema["schema"].clone(),
            json: serde_json::from_str(text).unwrap_or_else(|error| panic!("{what}: {error}: {text}")),
        };
        match media {
            "application/json" => vec![sample(&answer.body)],
            "application/x-ndjson" => answer.body.lines().map(sample).collect(),
            _ => Vec::new(),
        }
    }
}
