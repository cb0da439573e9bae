//! An endpoint that answers as a test says.

use std::io::Read as _;
use std::sync::Arc;

use arcstr::literal;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use parking_lot::Mutex;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::otlp::{Headers, Settings};

/// An endpoint, with the requests that came.
#[derive(Clone, Debug, Default)]
pub(super) struct Endpoint {
    /// The heads of the requests, and the numbers of their records.
    pub(super) requests: Arc<Mutex<Vec<(String, usize)>>>,
    /// The answers that come next; afterwards all is accepted.
    answers: Arc<Mutex<Vec<String>>>,
}

/// Returns an answer without a body.
pub(super) fn status(line: &str) -> String {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")
}

/// Returns an answer that takes all but this number of records.
pub(super) fn partial(rejected: i64) -> Vec<u8> {
    let partial =
        ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: "too old".into() };
    ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
}

impl Endpoint {
    /// Listens, and returns the settings of a sender to it.
    pub(super) async fn start(answers: &[String]) -> (Self, Settings) {
        let endpoint = Self::default();
        endpoint.answers.lock().extend(answers.iter().rev().cloned());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/logs", listener.local_addr().unwrap()).parse().unwrap();
        let serving = endpoint.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.serve(stream).await });
            }
        });
        let settings = Settings {
            url,
            headers: Headers::default(),
            ca_file: None,
            timeout: crate::otlp::TIMEOUT,
            queue_bytes: 1 << 20,
            interval: crate::otlp::INTERVAL,
            node: literal!("node1"),
            resource: vec![],
        };
        (endpoint, settings)
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut bytes = Vec::new();
        loop {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    return;
                }
                continue;
            };
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let length: usize = length.parse().unwrap();
            while bytes.len() < end + 4 + length {
                stream.read_buf(&mut bytes).await.unwrap();
            }
            let rest = bytes.split_off(end + 4 + length);
            self.requests.lock().push((head, records(&bytes[end + 4..])));
            bytes = rest;
            let answer = self.answers.lock().pop().unwrap_or_else(|| status("200 OK"));
            if answer.is_empty() {
                return;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// Returns the number of records in a body; 0 where it is no request.
fn records(body: &[u8]) -> usize {
    let mut plain = Vec::new();
    if GzDecoder::new(body).read_to_end(&mut plain).is_err() {
        return 0;
    }
    let request = ExportLogsServiceRequest::decode(&*plain).unwrap();
    request.resource_logs.iter().flat_map(|logs| &logs.scope_logs).map(|scope| scope.log_records.len()).sum()
}
