//! Questions and answers as JSON, one a line.

use std::net::IpAddr;

use flow_model::decision::{Decision, DirectionVerdict, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::query::combine;
use crate::query::error::QueryError;
use crate::query::explainer::Explainer;
use crate::query::parse::{ParseError, excerpt, host, name, port, protocol};
use crate::query::question::{Answer, Port, Query, Target};

/// The longest question, in bytes.
pub const MAX_LINE: usize = 64 << 10;

/// Holds the answer to one line. It always has a decision: without an answer it is unknown, and `error` has the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The id of the question, of any JSON type.
    pub id: Value,
    pub decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    pub ingress: DirectionVerdict,
    pub egress: DirectionVerdict,
    pub explanation: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Answers one line.
#[must_use]
pub fn reply(explainer: &Explainer, line: &[u8]) -> Reply {
    if line.len() > MAX_LINE {
        return Reply::error(Value::Null, too_long());
    }
    let value: Value = match serde_json::from_slice(line) {
        Ok(value) => value,
        Err(error) => return Reply::error(Value::Null, format!("the question is not JSON: {error}")),
    };
    let id = value.get("id").cloned().unwrap_or_default();
    match Query::from_json(&value) {
        Ok(query) => Reply::new(id, explainer.answer(&query)),
        Err(error) => Reply::error(id, error.to_string()),
    }
}

impl Reply {
    /// Makes the reply from an answer and the question's id.
    #[must_use]
    pub fn new(id: Value, answer: Result<Answer, QueryError>) -> Self {
        let Answer { src, dst, service, verdict, notes } = match answer {
            Ok(answer) => answer,
            Err(error) => return Self::error(id, error.to_string()),
        };
        let Verdict { decision, ingress, egress, explanation } = verdict;
        let (src, dst) = (Some(src.to_string()), Some(dst.to_string()));
        let service = service.map(|service| service.to_string());
        Self { id, decision, error: None, src, dst, service, ingress, egress, explanation, notes }
    }

    /// Makes the reply to a line that is longer than [`MAX_LINE`] and was discarded.
    #[must_use]
    pub fn too_long() -> Self {
        Self::error(Value::Null, too_long())
    }

    fn error(id: Value, error: String) -> Self {
        let Verdict { decision, ingress, egress, explanation } = combine::unknown(error.clone());
        let (error, notes) = (Some(error), Vec::new());
        Self { id, decision, error, src: None, dst: None, service: None, ingress, egress, explanation, notes }
    }
}

impl Query {
    /// Reads a question like `{"src":{"ns":"web","pod":"a"},"dst":{"ip":"10.0.0.1"},"port":5432,"protocol":"TCP"}`. Unknown
    /// fields are ignored.
    ///
    /// # Errors
    /// Fails when a field can't be understood; the error names it.
    pub fn from_json(value: &Value) -> Result<Self, ParseError> {
        let Value::Object(fields) = value else {
            return Err(json("a question is a JSON object with `src` and `dst`"));
        };
        Ok(Self {
            src: target(fields, "src")?,
            dst: target(fields, "dst")?,
            port: match fields.get("port") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(port(text)?),
                Some(other) => Some(number(other)?),
            },
            protocol: match fields.get("protocol") {
                None | Some(Value::Null) => None,
                Some(Value::String(text)) => Some(protocol(text)?),
                Some(other) => return Err(ParseError::Protocol(excerpt(&other.to_string()))),
            },
        })
    }
}

fn target(fields: &Map<String, Value>, side: &str) -> Result<Target, ParseError> {
    let Some(Value::Object(target)) = fields.get(side) else {
        return Err(json(format!(
            "`{side}` must be {{\"ns\":...,\"pod\":...}}, {{\"ns\":...,\"service\":...}} or {{\"ip\":...}}"
        )));
    };
    let text = |field: &str| match target.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(json(format!("`{side}.{field}` must be a string"))),
    };
    let namespace = || {
        let namespace = text("ns")?.map_or_else(|| text("namespace"), |ns| Ok(Some(ns)))?;
        name(namespace.ok_or_else(|| json(format!("`{side}` has no `ns`")))?)
    };
    if let Some(name) = text("host")? {
        return match ["ip", "pod", "service", "name"].iter().all(|field| !target.contains_key(*field)) {
            true => Ok(Target::Host(host(name)?)),
            false => Err(json(format!(
                "`{side}` must have exactly one of `pod`, `service`, `name`, `host` and `ip`"
            ))),
        };
    }
    match (text("ip")?, text("pod")?, text("service")?, text("name")?) {
        (Some(ip), None, None, None) => {
            let ip: IpAddr =
                ip.parse().map_err(|_| json(format!("`{side}.ip`: `{}` is no IP address", excerpt(ip))))?;
            Ok(Target::Ip(ip.to_canonical()))
        }
        (None, Some(pod), None, None) => Ok(Target::Pod { namespace: namespace()?, name: name(pod)? }),
        (None, None, Some(service), None) => {
            Ok(Target::Service { namespace: namespace()?, name: name(service)? })
        }
        (None, None, None, Some(any)) => Ok(Target::Named { namespace: namespace()?, name: name(any)? }),
        _ => {
            Err(json(format!("`{side}` must have exactly one of `pod`, `service`, `name`, `host` and `ip`")))
        }
    }
}

fn number(value: &Value) -> Result<Port, ParseError> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number != 0);
    number.map(Port::Number).ok_or_else(|| ParseError::Port(excerpt(&value.to_string())))
}

fn json(text: impl Into<String>) -> ParseError {
    ParseError::Json(text.into())
}

fn too_long() -> String {
    format!("the question is longer than {} KiB", MAX_LINE >> 10)
}
