use std::io::Read as _;

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord;

use super::*;
use crate::otlp::attributes::any;

fn record(n: u64) -> LogRecord {
    LogRecord { time_unix_nano: n, body: Some(any("x".repeat(200))), ..LogRecord::default() }
}

#[test]
fn a_request_is_what_the_library_encodes() {
    let envelope = Envelope::new("node1", &[("k8s.cluster.name".into(), "c".into())]);
    let records: Vec<LogRecord> = (0..100).map(record).collect();
    let encoded: Vec<Vec<u8>> = records.iter().map(LogRecord::encode_to_vec).collect();
    let request = ExportLogsServiceRequest::decode(envelope.request(&encoded)).unwrap();
    let [logs] = &request.resource_logs[..] else { panic!("{request:?}") };
    let [scope] = &logs.scope_logs[..] else { panic!("{request:?}") };
    assert_eq!(scope.log_records, records);
    assert_eq!(scope.scope.as_ref().unwrap().name, "flow-observer");
    let keys: Vec<&str> = logs.resource.as_ref().unwrap().attributes.iter().map(|pair| &*pair.key).collect();
    let own = ["service.name", "service.version", "service.instance.id", "k8s.node.name", "k8s.cluster.name"];
    assert_eq!(keys, own);
    assert_eq!(request.encode_to_vec(), envelope.request(&encoded), "field by field");
}

#[test]
fn the_users_attributes_take_precedence() {
    let envelope = Envelope::new("node1", &[("service.name".into(), "other".into())]);
    let logs = ResourceLogs::decode(&*envelope.resource).unwrap();
    let names = logs.resource.unwrap().attributes.into_iter().filter(|pair| pair.key == "service.name");
    assert_eq!(names.map(|pair| pair.value.unwrap()).collect::<Vec<_>>(), [any("other")]);
}

#[test]
fn requests_are_compressed() {
    let bytes = "a line of text, ".repeat(1_000);
    let compressed = gzip(bytes.as_bytes()).unwrap();
    assert!(compressed.len() < bytes.len() / 20, "{}", compressed.len());
    let mut out = String::new();
    GzDecoder::new(&*compressed).read_to_string(&mut out).unwrap();
    assert_eq!(out, bytes);
}
