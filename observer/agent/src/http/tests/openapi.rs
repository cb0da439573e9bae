//! `/openapi.json` describes what the server does, no more and no less.

mod document;
mod occasions;
mod world;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::document::{Document, Sample};
use crate::http::ROUTES;
use crate::http::tests::client::{Agent, Answer};

/// <https://spec.openapis.org/oas/3.1/schema/2022-10-07>, of the OpenAPI Initiative (Apache-2.0).
const OPENAPI: &str = include_str!("openapi/oas-3.1.schema.json");

async fn document(agent: &Agent) -> Document {
    let answer = agent.get("/openapi.json", &[]).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    Document(answer.json())
}

/// Visits every value below, with the way to it.
fn walk<'a>(value: &'a Value, at: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(at, value);
    let step = |key: &str| format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
    match value {
        Value::Object(object) => object.iter().for_each(|(key, value)| walk(value, &step(key), visit)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, value)| walk(value, &step(&n.to_string()), visit));
        }
        _ => {}
    }
}

/// Returns a request target for a path of the document that exists, and whose answer ends.
fn finite(path: &str, query: &str) -> String {
    let path = &path.replace("/ui/{name}", "/ui/app.js").replace("{name}", "policy-denied");
    let follow = if path == "/api/v1/flows" { "follow=false" } else { "" };
    let query = [follow, query].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

#[tokio::test]
async fn it_is_openapi() {
    let document = document(&Agent::start().await).await;
    let openapi = jsonschema::options().build(&serde_json::from_str(OPENAPI).unwrap()).unwrap();
    let faults: Vec<_> = openapi.iter_errors(&document.0).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, [""; 0]);
    assert_eq!(document.0["info"]["version"], env!("CARGO_PKG_VERSION"), "openapi.json tells the release");

    // What OpenAPI's schema leaves to that of JSON Schema, and what neither can express.
    let (mut schemas, mut references, mut ids) = (0, BTreeSet::new(), Vec::new());
    walk(&document.0, "", &mut |at, value| {
        let named = at.strip_prefix("/components/schemas/").is_some_and(|name| !name.contains('/'));
        if named || at.ends_with("/schema") {
            assert!(jsonschema::meta::is_valid(value), "{at} is no JSON Schema");
            document.validator(value);
            schemas += 1;
        }
        if let Some(reference) = value.get("$ref") {
            document.resolve(value);
            references.insert(reference.as_str().unwrap());
        }
        ids.extend(value.get("operationId").and_then(Value::as_str));
    });
    assert!(schemas > 80, "{schemas} schemas were looked at");
    let components = document.0["components"].as_object().unwrap();
    for (kind, named) in components.iter().filter(|(kind, _)| *kind != "securitySchemes") {
        for name in named.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(references.contains(reference.as_str()), "{reference} is not used");
        }
    }
    assert_eq!(ids.len(), document.operations().len(), "each operation has a name");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "of its own");
}

#[tokio::test]
async fn it_has_every_route_with_its_methods() {
    let agent = Agent::start().await;
    let document = document(&agent).await;
    let described: BTreeSet<_> =
        document.0["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let routed: BTreeSet<_> = ROUTES.iter().map(|(path, _)| *path).collect();
    assert_eq!(described, routed);

    let index = agent.get("/", &[]).await.body;
    for path in routed {
        assert!(path == "/" || index.contains(&format!("\n{path} ")), "GET / does not list {path}");
        let described =
            |method: &str| document.operations().iter().any(|op| (op.method, op.path) == (method, path));
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let answer = agent.request(method, &finite(path, ""), &[]).await;
            let wanted = described(method) || method == "HEAD" && described("GET");
            assert_eq!(answer.status != 405, wanted, "{method} {path}: {}", answer.status);
            if answer.status == 405 {
                assert!(answer.json()["error"].is_string(), "{method} {path}");
                let allowed = answer.header("allow").split(',').filter(|allowed| *allowed != "HEAD");
                assert!(allowed.clone().count() > 0 && allowed.into_iter().all(described), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn it_has_the_parameters_that_are_accepted() {
    let agent = Agent::start().await;
    let document = document(&agent).await;
    let guarded = |path: &str| path.starts_with("/api/");
    for operation in document.operations().iter().filter(|op| op.method == "GET" && guarded(op.path)) {
        let parameters = operation.parameters("query");
        let names: BTreeSet<_> =
            parameters.iter().map(|parameter| parameter["name"].as_str().unwrap()).collect();
        let refused = agent.get(&finite(operation.path, "no-such=1"), &[]).await;
        assert_eq!(refused.status, 400, "{}", operation.path);
        let accepted = refused.json()["error"].as_str().unwrap().rsplit_once(" takes ").unwrap().1.to_owned();
        let accepted: BTreeSet<_> = accepted.split(", ").filter(|name| *name != "none").collect();
        assert_eq!(names, accepted, "{}", operation.path);

        let required: Vec<_> =
            parameters.iter().filter(|p| p["required"] == true).map(|p| example(p)).collect();
        for parameter in &parameters {
            let query = [required.join("&"), example(parameter)].join("&");
            let answer = agent.get(&finite(operation.path, &query), &[]).await;
            assert_eq!(answer.status, 200, "{} {query}: {}", operation.path, answer.body);
            values_are_those_accepted(&agent, &document, operation.path, parameter).await;
        }
    }
}

/// Returns `a=1&a=2`, and each value is one by the schema.
fn example(parameter: &Value) -> String {
    let name = parameter["name"].as_str().unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let value = &parameter["example"];
    let values =
        value.as_array().map_or_else(|| vec![text(value)], |values| values.iter().map(text).collect());
    assert!(!value.is_null() && !values.is_empty(), "{name} has no example");
    values.iter().map(|value| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

async fn values_are_those_accepted(agent: &Agent, document: &Document, path: &str, parameter: &Value) {
    assert!(document.validator(&parameter["schema"]).is_valid(&parameter["example"]), "{parameter}");
    let Some(items) = parameter["schema"].get("items") else { return };
    let Some(described) = document.resolve(items).get("enum") else { return };
    let name = parameter["name"].as_str().unwrap();
    let refused = agent.get(&finite(path, &format!("{name}=no-such")), &[]).await.json();
    let (_, accepted) = refused["error"].as_str().unwrap().split_once(" is none of ").unwrap();
    let accepted: Vec<_> = accepted.split(", ").collect();
    assert_eq!(described, &json!(accepted), "{path} {name}");
}

#[tokio::test]
async fn an_event_stream_goes_on_from_the_example() {
    let mut agent = Agent::start().await;
    agent.push(0..3);
    let document = document(&agent).await;
    let operation = document.operation("GET", "/api/v1/flows");
    let [parameter] = operation.parameters("header")[..] else { panic!("one header") };
    let pattern = document.validator(&parameter["schema"]);
    let id = parameter["example"].as_str().unwrap();
    let headers = [("accept", "text/event-stream"), (parameter["name"].as_str().unwrap(), id)];
    let answer = agent.get("/api/v1/flows?follow=false", &headers).await;
    operation.samples(&answer);
    let ids: Vec<_> = answer.body.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    assert!(pattern.is_valid(&json!(id)) && ids.len() == 4, "{ids:?}");
    assert!(ids.iter().all(|id| pattern.is_valid(&json!(id))), "{ids:?}");
    let record = document.validator(&json!({"$ref": "#/components/schemas/FlowRecord"}));
    let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
    let records: Vec<Value> = data.map(|json| serde_json::from_str(json).unwrap()).collect();
    assert!(records.len() == 3 && records.iter().all(|json| record.is_valid(json)), "{records:?}");
}

/// Returns what the agent answers about a world in which there is everything.
async fn samples(agent: &Agent, document: &Document) -> Vec<Sample> {
    let mut samples = Vec::new();
    for operation in document.operations() {
        let query = match (operation.method, operation.path) {
            ("GET", "/api/v1/flows") => "since=1000y",
            ("GET", "/api/v1/explain") => "src=web/front&dst=data/db:5432",
            ("GET", _) => "",
            _ => continue,
        };
        let answer = agent.get(&finite(operation.path, query), &[]).await;
        assert_eq!(answer.status, 200, "{}", operation.path);
        samples.extend(operation.samples(&answer));
    }
    let metrics = [("accept", "application/openmetrics-text")];
    document.operation("GET", "/metrics").samples(&agent.get("/metrics", &metrics).await);
    for answer in agent.readiness().await {
        samples.extend(document.operation("GET", "/readyz").samples(&answer));
    }
    // Something is stale now.
    let snapshot = agent.get("/api/v1/snapshot", &[]).await;
    samples.extend(document.operation("GET", "/api/v1/snapshot").samples(&snapshot));
    let refused = agent.get("/api/v1/vips?no-such=1", &[]).await;
    samples.extend(document.operation("GET", "/api/v1/vips").samples(&refused));
    // Filters have the kinds, records each its own.
    let record = json!({"$ref": "#/components/schemas/FlowRecord"});
    let kinds = samples.iter().filter(|sample| sample.schema == record).map(|sample| Sample {
        schema: json!({"$ref": "#/components/schemas/Kind"}),
        json: sample.json["kind"].clone(),
    });
    let kinds: Vec<_> = kinds.collect();
    samples.extend(kinds);
    samples.extend(explanations(agent, document).await);
    samples
}

/// The questions are samples, too: they must be understood.
async fn explanations(agent: &Agent, document: &Document) -> Vec<Sample> {
    let (front, db) = (json!({"ns": "web", "pod": "front"}), json!({"ns": "data", "pod": "db"}));
    let questions = [
        json!({"id": {"any": [1]}, "src": front, "dst": db, "port": 5432, "protocol": "TCP"}),
        json!({"src": {"ns": "web", "pod": "batch"}, "dst": db, "port": 5432}),
        json!({"src": {"ip": "10.42.0.6"}, "dst": {"ns": "data", "service": "pg"}, "port": "sql"}),
        json!({"src": {"ns": "web", "name": "front"}, "dst": {"ip": "fd00::1"}, "port": 53, "protocol": "UDP"}),
        json!({"src": front, "dst": db, "port": 9, "protocol": "SCTP"}),
        json!({"src": front, "dst": {"host": "pg.data.svc.cluster.local"}, "port": "sql"}),
    ];
    let gone = json!({"src": front, "dst": {"ns": "data", "pod": "gone"}, "port": 1});
    let lines: Vec<_> = questions.iter().chain([&gone]).map(Value::to_string).collect();
    let operation = document.operation("POST", "/api/v1/explain");
    let answers = operation.samples(&agent.post("/api/v1/explain", lines.join("\n")).await);
    let errors: Vec<_> = answers.iter().filter(|answer| answer.json.get("error").is_some()).collect();
    assert_eq!((answers.len(), errors.len()), (7, 1), "{errors:?}");
    let schema = json!({"$ref": "#/components/schemas/Question"});
    let questions = questions.into_iter().map(|json| Sample { schema: schema.clone(), json });
    questions.chain(answers).collect()
}

#[tokio::test]
async fn answers_have_the_fields_described_and_no_others() {
    let agent = world::agent().await;
    let document = document(&agent).await.closed();
    let samples = samples(&agent, &document).await;
    let faults: Vec<_> = samples.iter().flat_map(|sample| document.faults(sample)).collect();
    assert_eq!(faults, [""; 0]);

    // A field that nobody described is noticed.
    let mut odd = samples.into_iter().find(|sample| sample.json["kind"] == "attempt").unwrap();
    odd.json["src"]["mood"] = json!("good");
    assert_eq!(document.faults(&odd).len(), 1);
}

#[tokio::test]
async fn every_field_and_value_described_is_written() {
    let agent = world::agent().await;
    let document = document(&agent).await.closed();
    let samples = samples(&agent, &document).await;
    let mut unwritten = Vec::new();
    for (parent, key) in removable(&document) {
        let mut without = document.clone();
        match without.0.pointer_mut(&parent).unwrap() {
            Value::Object(object) => drop(object.remove(&key)),
            Value::Array(items) => drop(items.remove(key.parse().unwrap())),
            other => panic!("{parent}: {other}"),
        }
        let component = parent.split('/').nth(3).unwrap();
        if !misses(&without, component, &samples) {
            unwritten.push(format!("{parent}/{key}"));
        }
    }
    assert_eq!(unwritten, [""; 0], "no answer has it");
}

/// Properties, values of enumerations, and alternatives, of all named schemas.
fn removable(document: &Document) -> Vec<(String, String)> {
    let mut removable = Vec::new();
    walk(&document.0["components"]["schemas"], "/components/schemas", &mut |at, value| {
        let is = |key: &str| at.ends_with(&format!("/{key}"));
        match value {
            Value::Object(object) if is("properties") => {
                removable.extend(object.keys().map(|key| (at.to_owned(), key.clone())));
            }
            Value::Array(items) if is("enum") || is("oneOf") || is("anyOf") => {
                removable.extend((0..items.len()).map(|n| (at.to_owned(), n.to_string())));
            }
            _ => {}
        }
    });
    assert!(removable.len() > 300, "{}", removable.len());
    removable
}

/// Returns true if a sample needs what this document lacks in one of its named schemas.
fn misses(document: &Document, component: &str, samples: &[Sample]) -> bool {
    let schemas: BTreeSet<_> = samples.iter().map(|sample| sample.schema.to_string()).collect();
    let schemas = schemas.iter().map(|schema| serde_json::from_str::<Value>(schema).unwrap());
    schemas.filter(|schema| document.needed(schema).contains_key(component)).any(|schema| {
        let validator = document.validator(&schema);
        samples.iter().any(|sample| sample.schema == schema && !validator.is_valid(&sample.json))
    })
}
