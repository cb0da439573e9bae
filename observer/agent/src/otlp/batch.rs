//! Requests: encoded records with what they have in common, compressed.

#[cfg(test)]
mod tests;

use std::io::{self, Write as _};

use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};

use crate::otlp::attributes::Attributes;

/// The name of this program as a service.
const SERVICE: &str = "flow-observer";
/// The fields of the messages that hold the next inner ones: `ExportLogsServiceRequest.resource_logs`,
/// `ResourceLogs.scope_logs` and `ScopeLogs.log_records`, as
/// <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/logs/v1/logs.proto> numbers them.
const RESOURCE_LOGS: u32 = 1;
const SCOPE_LOGS: u32 = 2;
const LOG_RECORDS: u32 = 2;

/// What all records of an agent have in common, encoded.
#[derive(Debug)]
pub(super) struct Envelope {
    /// A `ResourceLogs` without records.
    resource: Vec<u8>,
    /// A `ScopeLogs` without records.
    scope: Vec<u8>,
}

impl Envelope {
    /// Describes the agent of this node. `more` are attributes that its user gives.
    pub(super) fn new(node: &str, more: &[(String, String)]) -> Self {
        let mut attributes = Attributes::default();
        let own = [
            ("service.name", SERVICE),
            ("service.version", env!("CARGO_PKG_VERSION")),
            ("service.instance.id", node),
            ("k8s.node.name", node),
        ];
        // What the user says counts.
        let own = own.into_iter().filter(|(key, _)| more.iter().all(|(given, _)| given != key));
        own.for_each(|(key, value)| attributes.text(key, value));
        more.iter().for_each(|(key, value)| attributes.text(key.as_str(), value.as_str()));
        let resource = Resource { attributes: attributes.finish(), ..Resource::default() };
        let scope = InstrumentationScope { name: SERVICE.into(), ..InstrumentationScope::default() };
        Self {
            resource: ResourceLogs { resource: Some(resource), ..ResourceLogs::default() }.encode_to_vec(),
            scope: ScopeLogs { scope: Some(scope), ..ScopeLogs::default() }.encode_to_vec(),
        }
    }

    /// Returns an `ExportLogsServiceRequest` with these records. A message is the same whether its fields are encoded at once
    /// or one after the other, so that the records are encoded only once.
    pub(super) fn request(&self, records: &[Vec<u8>]) -> Bytes {
        let records_len: usize = records.iter().map(|record| field_len(LOG_RECORDS, record.len())).sum();
        let scope = self.scope.len() + records_len;
        let resource = self.resource.len() + field_len(SCOPE_LOGS, scope);
        let mut out = BytesMut::with_capacity(field_len(RESOURCE_LOGS, resource));
        begin(RESOURCE_LOGS, resource, &mut out);
        out.extend_from_slice(&self.resource);
        begin(SCOPE_LOGS, scope, &mut out);
        out.extend_from_slice(&self.scope);
        for record in records {
            begin(LOG_RECORDS, record.len(), &mut out);
            out.extend_from_slice(record);
        }
        out.freeze()
    }
}

/// Returns the bytes compressed.
pub(super) fn gzip(bytes: &[u8]) -> io::Result<Bytes> {
    let mut gzip = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::default());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?.into())
}

fn begin(field: u32, len: usize, out: &mut BytesMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(varint(len), out);
}

fn field_len(field: u32, len: usize) -> usize {
    key_len(field) + encoded_len_varint(varint(len)) + len
}

fn varint(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
