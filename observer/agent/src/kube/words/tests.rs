use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use kube::config::Kubeconfig;
use kube::{Client, Config};
use rstest::rstest;

use super::*;

/// Asks what listens at a URL for pods.
async fn asked(url: &str) -> String {
    let mut config = Config::new(url.parse().unwrap());
    config.default_retry = false;
    let pods: Api<Pod> = Api::all(Client::try_from(config).unwrap());
    of_request(&pods.list(&ListParams::default()).await.unwrap_err())
}

async fn answering(status: u16, body: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let status = http::StatusCode::from_u16(status).unwrap();
    let router = axum::Router::new().fallback(move || async move { (status, body) });
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let text = asked(&url).await;
    serving.abort();
    text
}

#[track_caller]
fn assert_plain(text: &str) {
    for jargon in
        ["Error:", "Error(", "client error", "tcp connect", "{", "\\\"", "\n", "hyper", "os error 111): "]
    {
        assert!(!text.contains(jargon), "{jargon:?} in {text}");
    }
}

#[tokio::test]
async fn nothing_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = asked(&format!("http://{free}")).await;
    assert_eq!(text, "Connection refused (os error 111)");
}

#[tokio::test]
async fn an_agent_without_tls_is_asked_by_https() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let router = axum::Router::new();
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let text = asked(&url).await;
    assert_eq!(text, "the other side does not speak TLS");
    serving.abort();
}

#[rstest]
#[case(
    404,
    "<html>\n<body>nothing here</body>",
    "it answered 404 with a page, so it may be no Kubernetes API server"
)]
#[case(500, "", "it answered 500")]
#[case(502, "bad\ngateway", "it answered 502: bad gateway")]
#[case(
    403,
    r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods is forbidden","reason":"Forbidden","code":403}"#,
    "it answered 403: pods is forbidden"
)]
#[tokio::test]
async fn an_answer_is_shown_in_short(
    #[case] status: u16,
    #[case] body: &'static str,
    #[case] expected: &str,
) {
    let text = answering(status, body).await;
    assert_plain(&text);
    assert_eq!(text, expected);
}

#[test]
fn a_kubeconfig_is_named_without_its_lines() {
    let missing = Kubeconfig::read_from("/no/such/file").unwrap_err();
    assert_eq!(of_kubeconfig(&missing), "No such file or directory (os error 2)");
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cr3t token\n").unwrap();
    let text = of_kubeconfig(&Kubeconfig::read_from(secret.path()).unwrap_err());
    assert_plain(&text);
    assert!(text.starts_with("it is no kubeconfig: ") && !text.contains("s3cr3t"), "{text}");
}
