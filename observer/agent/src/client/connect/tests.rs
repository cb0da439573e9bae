//! The client against guarded agents.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::client::target::Target;
use crate::http::auth::{Auth, TokenFile};
use crate::http::{Settings, Tls, serve_with};
use crate::sink::{SinkConfig, Sinks};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    connect: ConnectArgs,
}

fn args(args: &[&str]) -> ConnectArgs {
    Cli::parse_from(["x"].iter().chain(args)).connect
}

struct Agent {
    port: u16,
    dir: TempDir,
    _running: DropGuard,
}

impl Agent {
    /// Starts an agent with a certificate for 127.0.0.1, and one token.
    async fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let path = |name| dir.path().join(name);
        let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(path("cert"), made.cert.pem()).unwrap();
        fs::write(path("key"), made.signing_key.serialize_pem()).unwrap();
        fs::write(path("token"), "right\n").unwrap();
        let settings = Settings {
            auth: Auth::Token(Arc::new(TokenFile::load(&path("token")).unwrap())),
            tls: Some(Tls::load(&path("cert"), &path("key")).unwrap()),
            ..Settings::default()
        };
        let (_sinks, shared) = Sinks::new(&SinkConfig::new("n1".into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cancel = CancellationToken::new();
        tokio::spawn(serve_with(listener, shared, settings, cancel.clone()));
        Self { port, dir, _running: cancel.drop_guard() }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    async fn ask(&self, host: &str, arguments: &[&str]) -> Result<String, String> {
        let url = format!("https://{host}:{}", self.port);
        let target = Target::new(&url, &args(arguments)).map_err(|error| error.to_string())?;
        let answer = target.get("/api/v1/vips").await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(answer.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn a_guarded_agent_is_asked_with_its_ca_and_a_token() {
    let agent = Agent::start().await;
    let (ca, token, wrong) = (agent.path("cert"), agent.path("token"), agent.path("wrong"));
    fs::write(&wrong, "wrong").unwrap();
    let trusted = ["--ca-file", &ca, "--token-file", &token];
    let answer = agent.ask("127.0.0.1", &trusted).await.unwrap();
    assert!(answer.starts_with("{\"vips\":[],"), "{answer}");
    let unchecked = ["--insecure-skip-tls-verify", "--token-file", &token];
    assert_eq!(agent.ask("localhost", &unchecked).await.unwrap(), answer);
    for (host, arguments, says) in [
        ("127.0.0.1", &["--ca-file", &ca, "--token-file", &wrong][..], "answered 401: a valid bearer token"),
        ("127.0.0.1", &["--ca-file", &ca], "answered 401: a valid bearer token"),
        (
            "localhost",
            &trusted,
            "(--url, or with --all-nodes --agent-tls, names what the certificate is for)",
        ),
        ("127.0.0.1", &["--ca-file", &token, "--token-file", &token], "holds no certificate in PEM form"),
        ("127.0.0.1", &["--ca-file", "/nowhere"], "/nowhere can't be read"),
        ("127.0.0.1", &["--ca-file", &ca, "--token-file", "/nowhere"], "/nowhere can't be read"),
    ] {
        let error = agent.ask(host, arguments).await.unwrap_err();
        assert!(error.contains(says), "{error}");
    }
    let other = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(&wrong, other.cert.pem()).unwrap();
    let error = agent.ask("127.0.0.1", &["--ca-file", &wrong]).await.unwrap_err();
    assert!(error.contains("invalid peer certificate") && error.contains("--ca-file"), "{error}");
}

#[test]
fn a_ca_and_no_check_exclude_each_other() {
    let both = ["x", "--ca-file", "/x", "--insecure-skip-tls-verify"];
    assert!(Cli::try_parse_from(both).is_err());
}

#[test]
fn dangerous_options_cause_a_warning() {
    let (checked, unchecked) =
        (ConnectArgs::default(), ConnectArgs { insecure_skip_tls_verify: true, ..ConnectArgs::default() });
    for (args, https, host, token, says) in [
        (&unchecked, true, "127.0.0.1", false, Some("not checked")),
        (&checked, false, "10.0.0.1", true, Some("in the clear")),
        (&checked, false, "agent", true, Some("in the clear")),
        (&checked, false, "10.0.0.1", false, None),
        (&checked, false, "::1", true, None),
        (&checked, false, "localhost", true, None),
        (&checked, true, "10.0.0.1", true, None),
    ] {
        let warning = warning(args, https, host, token);
        assert_eq!(warning.is_some(), says.is_some(), "{host}");
        assert!(warning.unwrap_or_default().contains(says.unwrap_or_default()), "{host}");
    }
}

#[test]
fn the_token_is_read_for_each_request_and_never_printed() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("token");
    let connector = Connector { token: Token::File(path.clone()), tls: None };
    for (text, value) in [
        ("one\n", Some("Bearer one")),
        ("\n two \nthree\n", Some("Bearer two")),
        ("", None),
        ("a b\n", None),
        ("a\u{1}b\n", None),
    ] {
        fs::write(&path, text).unwrap();
        match (connector.authorization(), value) {
            (Ok(Some(got)), Some(value)) => {
                assert_eq!(got.as_bytes(), value.as_bytes());
                assert_eq!(format!("{got:?}"), "Sensitive");
            }
            (Err(error), None) => assert_eq!(error.to_string(), no_token(&path)),
            (got, value) => panic!("{got:?} instead of {value:?}"),
        }
    }
    fs::remove_file(&path).unwrap();
    assert!(connector.authorization().unwrap_err().to_string().contains("can't be read"));
}

fn no_token(path: &Path) -> String {
    format!("{} holds no bearer token", path.display())
}
