use rstest::rstest;

use super::*;
use crate::otlp::testing::{Endpoint, partial, status};

async fn post(answer: String) -> (Answer, Endpoint) {
    let (endpoint, settings) = Endpoint::start(&[answer]).await;
    let mut exporter = Exporter::new(&settings).unwrap();
    (exporter.post(Bytes::from_static(b"body")).await, endpoint)
}

#[rstest]
#[case("429 Too Many Requests")]
#[case("502 Bad Gateway")]
#[case("503 Service Unavailable")]
#[case("504 Gateway Timeout")]
#[tokio::test]
async fn these_are_sent_again(#[case] line: &str) {
    let (answer, _) = post(status(line)).await;
    let why = format!("status {}", &line[..3]);
    assert_eq!(answer, Answer::Later { why, after: None });
}

#[rstest]
#[case("400 Bad Request")]
#[case("401 Unauthorized")]
#[case("404 Not Found")]
#[case("413 Content Too Large")]
#[case("500 Internal Server Error")]
#[case("302 Found")]
#[tokio::test]
async fn these_are_not(#[case] line: &str) {
    let (answer, _) = post(status(line)).await;
    assert_eq!(answer, Answer::Refused { why: format!("status {}", &line[..3]) });
}

#[tokio::test]
async fn the_endpoint_says_how_long_to_wait() {
    let after = |value: &str| status(&format!("503 x\r\nretry-after: {value}"));
    let waits = |answer| match answer {
        Answer::Later { after, .. } => after,
        other => panic!("{other:?}"),
    };
    assert_eq!(waits(post(after("7")).await.0), Some(Duration::from_secs(7)));
    assert_eq!(waits(post(after("86400")).await.0), Some(MAX_WAIT));
    assert_eq!(waits(post(after("Sun, 06 Nov 1994 08:49:37 GMT")).await.0), Some(Duration::ZERO));
    assert_eq!(waits(post(after("Fri, 31 Dec 2100 23:59:59 GMT")).await.0), Some(MAX_WAIT));
    assert_eq!(waits(post(after("soon")).await.0), None);
}

#[tokio::test]
async fn a_partial_success_says_how_many_were_rejected() {
    let body = String::from_utf8(partial(3)).unwrap();
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {PROTOBUF}\r\ncontent-length: {}\r\n\r\n", body.len());
    let (answer, endpoint) = post(head + &body).await;
    assert_eq!(answer, Answer::Accepted { rejected: 3, why: "too old".into() });
    let (head, _) = endpoint.requests.lock()[0].clone();
    for line in ["post /v1/logs http/1.1", "content-type: application/x-protobuf", "content-encoding: gzip"] {
        assert!(head.contains(line), "{head}");
    }
    assert_eq!(post(status("204 No Content")).await.0, Answer::Accepted { rejected: 0, why: String::new() });
}

#[tokio::test]
async fn a_connection_is_used_again_and_replaced_when_it_ends() {
    let (endpoint, settings) = Endpoint::start(&[status("200 OK"), status("200 OK"), String::new()]).await;
    let mut exporter = Exporter::new(&settings).unwrap();
    let mut post = async || exporter.post(Bytes::from_static(b"body")).await;
    for _ in 0..2 {
        assert_eq!(post().await, Answer::Accepted { rejected: 0, why: String::new() });
    }
    let ended = post().await;
    assert!(matches!(ended, Answer::Later { .. }), "{ended:?}");
    assert_eq!(post().await, Answer::Accepted { rejected: 0, why: String::new() });
    assert_eq!(endpoint.requests.lock().len(), 4);
}

#[tokio::test]
async fn a_silent_endpoint_is_tried_again() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_, settings) = Endpoint::start(&[]).await;
    let url = format!("http://{}/", silent.local_addr().unwrap()).parse().unwrap();
    let settings = Settings { url, timeout: Duration::from_millis(50), ..settings };
    let mut exporter = Exporter::new(&settings).unwrap();
    let answer = exporter.post(Bytes::new()).await;
    assert_eq!(answer, Answer::Later { why: "no answer within 50ms".into(), after: None });
}

#[tokio::test]
async fn a_certificate_of_an_unknown_ca_is_refused() {
    let dir = tempfile::TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    let [own, other] =
        [(); 2].map(|()| rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap());
    std::fs::write(path("cert"), own.cert.pem()).unwrap();
    std::fs::write(path("key"), own.signing_key.serialize_pem()).unwrap();
    std::fs::write(path("other"), other.cert.pem()).unwrap();
    // An agent is a server with TLS, too. It takes no records.
    let server = crate::http::Settings {
        tls: Some(crate::http::Tls::load(&path("cert"), &path("key")).unwrap()),
        ..crate::http::Settings::default()
    };
    let (_sinks, shared) = crate::sink::Sinks::new(&crate::sink::SinkConfig::new("n1".into()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("https://{}/v1/logs", listener.local_addr().unwrap()).parse().unwrap();
    let cancel = tokio_util::sync::CancellationToken::new();
    tokio::spawn(crate::http::serve_with(listener, shared, server, cancel.clone()));
    let (_, settings) = Endpoint::start(&[]).await;
    let mut answers = Vec::new();
    for ca in ["cert", "other"] {
        let settings = Settings { url: url.clone(), ca_file: Some(path(ca)), ..settings.clone() };
        answers.push(Exporter::new(&settings).unwrap().post(Bytes::new()).await);
    }
    assert!(matches!(&answers[0], Answer::Refused { .. }), "{answers:?}");
    assert!(matches!(&answers[1], Answer::Later { why, .. } if why.contains("certificate")), "{answers:?}");
    cancel.cancel();
}
