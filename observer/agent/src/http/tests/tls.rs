//! Encrypted connections: real handshakes, certificates that change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};

use crate::http::testing::Log;
use crate::http::tests::client::{Agent, eventually, within_patience};
use crate::http::{Limits, Settings, Tls};

/// A certificate and its key.
struct Pair {
    cert: String,
    key: String,
}

/// Files as the kubelet lays them out: links to `..data/`, and that a link to a directory of its own for each version.
struct Secret {
    dir: TempDir,
    version: std::cell::Cell<u32>,
}

impl Pair {
    fn new() -> Self {
        let made = generate_simple_self_signed(["agent.test".to_owned()]).unwrap();
        Self { cert: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }
}

impl Secret {
    fn new(pair: &Pair) -> Self {
        let secret = Self { dir: TempDir::new().unwrap(), version: 0.into() };
        secret.put(&pair.cert, &pair.key);
        for name in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(name), secret.path(name)).unwrap();
        }
        secret
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts both at once, as the kubelet does.
    fn put(&self, cert: &str, key: &str) {
        let version = self.version.replace(self.version.get() + 1).to_string();
        fs::create_dir(self.path(&version)).unwrap();
        fs::write(self.path(&version).join("tls.crt"), cert).unwrap();
        fs::write(self.path(&version).join("tls.key"), key).unwrap();
        symlink(&version, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }

    fn load(&self) -> Tls {
        Tls::load(&self.path("tls.crt"), &self.path("tls.key")).unwrap()
    }

    async fn agent(&self) -> Agent {
        let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
        Agent::set(Settings { tls: Some(self.load()), limits, ..Settings::default() }).await
    }
}

type Connected = std::io::Result<TlsStream<TcpStream>>;

async fn connect(agent: &Agent, trusted: &Pair, versions: &[&'static SupportedProtocolVersion]) -> Connected {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.cert.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(agent.address).await.unwrap();
    let name = ServerName::try_from("agent.test").unwrap();
    within_patience(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// Returns true if a new connection is made with this very certificate.
async fn has(agent: &Agent, pair: &Pair) -> bool {
    connect(agent, pair, &[&version::TLS13]).await.is_ok()
}

async fn comes_to_have(agent: &Agent, pair: &Pair) {
    within_patience(async {
        while !has(agent, pair).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    within_patience(stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn both_versions_that_are_safe_are_spoken() {
    let pair = Pair::new();
    let agent = Secret::new(&pair).agent().await;
    for version in [&version::TLS12, &version::TLS13] {
        let mut stream = connect(&agent, &pair, &[version]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
        let answer = ask(&mut stream, "/healthz").await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("ok\n"), "{answer}");
    }
}

#[tokio::test]
async fn handshakes_that_fail_end_nothing_and_are_counted() {
    let pair = Pair::new();
    let agent = Secret::new(&pair).agent().await;
    assert!(connect(&agent, &Pair::new(), &[&version::TLS13]).await.is_err(), "a CA that did not sign it");
    // TLS 1.1, plain HTTP, half a hello, and nothing at all.
    let old_hello =
        [&[0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 2][..], &[7; 32], &[0, 0, 2, 0, 0x2f, 1, 0]].concat();
    for bytes in [&old_hello[..], b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n", &[0x16, 3, 1, 2], b""] {
        let mut stream = TcpStream::connect(agent.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        within_patience(stream.read_to_end(&mut answer)).await.ok();
        // At most an alert.
        assert!(answer.len() <= 7 && answer.first().is_none_or(|kind| *kind == 0x15), "{answer:?}");
    }
    let count = "flow_observer_http_refused_total{reason=\"tls_handshake\"} 5\n";
    eventually(|| agent.shared.metrics.encode(crate::sink::metrics::Format::Text).unwrap().contains(count))
        .await;
    assert!(has(&agent, &pair).await);
    eventually(|| agent.shared.metrics.http_counters().connections.get() == 0).await;
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_and_old_connections_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let secret = Secret::new(&old);
    let agent = secret.agent().await;
    let mut open = connect(&agent, &old, &[&version::TLS13]).await.unwrap();
    secret.put(&new.cert, &new.key);
    comes_to_have(&agent, &new).await;
    assert!(!has(&agent, &old).await);
    assert!(ask(&mut open, "/healthz").await.ends_with("ok\n"));
}

#[tokio::test]
async fn a_pair_that_does_not_fit_changes_nothing_and_is_logged_once() {
    let (old, new) = (Pair::new(), Pair::new());
    let secret = Secret::new(&old);
    let log = Log::capture();
    let agent = secret.agent().await;
    let kept = || log.text().matches("the old TLS certificate is kept").count();
    for (n, (cert, key)) in [
        (new.cert.as_str(), old.key.as_str()),
        ("", new.key.as_str()),
        (new.cert.as_str(), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", new.key.as_str()),
    ]
    .into_iter()
    .enumerate()
    {
        secret.put(cert, key);
        eventually(|| kept() == n + 1).await;
        assert!(has(&agent, &old).await);
    }
    fs::remove_file(secret.path("..data")).unwrap();
    eventually(|| kept() == 5).await;
    let looks = || log.text().matches("looked at files").count();
    let before = looks();
    eventually(|| looks() > before + 10).await;
    assert_eq!(kept(), 5, "{}", log.text());
    assert!(has(&agent, &old).await);
    secret.put(&new.cert, &new.key);
    comes_to_have(&agent, &new).await;
    for line in old.key.lines().chain(new.key.lines()).filter(|line| !line.starts_with('-')) {
        assert!(!log.text().contains(line));
    }
}

#[test]
fn what_is_wrong_is_said_at_the_start() {
    let (pair, other) = (Pair::new(), Pair::new());
    for (cert, key, says) in [
        ("", pair.key.as_str(), "tls.crt holds no certificate chain"),
        (pair.key.as_str(), pair.key.as_str(), "tls.crt holds no certificate chain"),
        (pair.cert.as_str(), pair.cert.as_str(), "tls.key holds no private key"),
        (pair.cert.as_str(), other.key.as_str(), "can't be used with the key"),
    ] {
        let secret = Secret::new(&pair);
        secret.put(cert, key);
        let error = Tls::load(&secret.path("tls.crt"), &secret.path("tls.key")).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = Tls::load(Path::new("/nowhere/a"), Path::new("/nowhere/b")).unwrap_err().to_string();
    assert!(error.contains("/nowhere/a can't be read"), "{error}");
}
