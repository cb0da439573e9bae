//! The command against a directory and against an agent.

use std::fs;
use std::sync::Arc;

use clap::Parser;
use flow_model::decision::{DirectionVerdict, Nearest};
use flow_model::output;
use flow_policy::query::MAX_LINE;
use jiff::Timestamp;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::client::print::testing::{look, printer};
use crate::commands::explain::batch::{Line, next};
use crate::sink::{SinkConfig, Sinks};

const CLUSTER: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: docs-5d-1, namespace: docs, labels: {app: docs}}
spec: {nodeName: n1, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.42.0.10, podIPs: [{ip: 10.42.0.10}]}
---
apiVersion: v1
kind: Pod
metadata: {name: pg-1, namespace: postgres, labels: {app: pg}}
spec: {nodeName: n1, containers: [{name: c, image: x, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIP: 10.42.0.12, podIPs: [{ip: 10.42.0.12}]}
---
apiVersion: v1
kind: Service
metadata: {name: pg-rw, namespace: postgres}
spec: {clusterIP: 10.43.0.9, selector: {app: pg}, ports: [{port: 15432, targetPort: pg}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: postgres}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: app}}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: egress, namespace: docs}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 10.42.0.0/16}}]}]
"#;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    explain: ExplainArgs,
}

/// A directory with the cluster, and room for questions.
struct Fixture {
    dir: TempDir,
}

struct Printed {
    code: u8,
    out: String,
    notes: String,
}

impl Fixture {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        fs::write(dir.path().join("cluster.yaml"), CLUSTER).unwrap();
        Self { dir }
    }

    fn cluster(&self) -> String {
        format!("dir:{}", self.dir.path().join("cluster.yaml").display())
    }

    /// A file of questions.
    fn questions(&self, text: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join("questions.ndjson");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    async fn run(&self, args: &[&str]) -> anyhow::Result<Printed> {
        let cluster = self.cluster();
        run(&[&["--cluster", &cluster], args].concat()).await
    }
}

async fn run(args: &[&str]) -> anyhow::Result<Printed> {
    let args = Cli::parse_from(["explain"].iter().chain(args)).explain;
    let (mut out, mut notes) = (Vec::new(), Vec::new());
    let code = explain(&args, printer(&mut out, args.print.output), &mut notes).await?;
    Ok(Printed { code, out: String::from_utf8(out)?, notes: String::from_utf8(notes)? })
}

/// An agent that knows the fixture's cluster.
async fn agent(fixture: &Fixture) -> (String, tokio_util::sync::DropGuard) {
    let (mut sinks, shared) = Sinks::new(&SinkConfig::new("n1".into()));
    let loaded = flow_objects::directory::load(&fixture.dir.path().join("cluster.yaml")).unwrap();
    sinks.emit(output::Output::Cluster(Arc::clone(&loaded.inventory)), Timestamp::now());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let cancel = CancellationToken::new();
    tokio::spawn(crate::http::serve(listener, shared, cancel.clone()));
    (url, cancel.drop_guard())
}

#[tokio::test]
async fn a_denial_in_words() {
    let printed = Fixture::new().run(&["docs/docs-5d-1", "postgres/pg-rw"]).await.unwrap();
    let lines: Vec<_> = printed.out.lines().collect();
    assert!(
        lines[0].starts_with(
            "deny: docs/docs-5d-1 -> postgres/pg-1:5432/TCP: refused by NetworkPolicy postgres/default-deny"
        ),
        "{}",
        printed.out
    );
    assert_eq!(lines[1], "  through Service postgres/pg-rw:15432");
    assert!(lines[2].starts_with("  egress   allow    "), "{}", printed.out);
    assert_eq!(lines[3], "           policies    docs/egress");
    assert_eq!(lines[4], "           allowed by  docs/egress#egress[0]");
    assert!(lines[5].starts_with("  ingress  deny     refused by"), "{}", printed.out);
    assert_eq!(lines[6], "           policies    postgres/default-deny");
    assert_eq!((printed.code, printed.notes.as_str()), (1, ""));
}

#[tokio::test]
async fn an_answer_is_printed_line_by_line() {
    let direction = |decision, explanation: &str| DirectionVerdict {
        decision,
        policies: vec!["a/x".into(), "a/y".into()],
        rules: Vec::new(),
        nearest: None,
        explanation: explanation.to_owned(),
    };
    let mut answer = Reply::too_long();
    (answer.src, answer.dst) = (Some("web/a\u{1b}[2J".into()), Some("a/b:1/TCP".into()));
    (answer.decision, answer.explanation) = (Decision::Deny, "refused by NetworkPolicies a/x and a/y".into());
    answer.ingress = direction(Decision::Deny, "refused");
    answer.ingress.nearest = Some(Nearest {
        policy: "a/x".into(),
        rule: "a/x#ingress[0]".parse().unwrap(),
        why: "port 1 is not among 80, 443".into(),
    });
    answer.egress = direction(Decision::Unknown, "not known");
    answer.notes = vec!["one of two".into()];
    let expected = "\
deny: web/a?[2J -> a/b:1/TCP: refused by NetworkPolicies a/x and a/y
  egress   unknown  not known
           policies    a/x, a/y
  ingress  deny     refused
           policies    a/x, a/y
           nearest     a/x#ingress[0]: port 1 is not among 80, 443
  note: one of two
";
    assert_eq!(AnswerText { answer: &answer, look: &look(false) }.to_string(), expected);
    let coloured = AnswerText { answer: &answer, look: &look(true) }.to_string();
    assert!(coloured.starts_with("\u{1b}[1m\u{1b}[31mdeny\u{1b}[0m: web/a?[2J ->"), "{coloured:?}");
}

#[tokio::test]
async fn exit_codes_and_json() {
    let fixture = Fixture::new();
    for (from, to, code, decision) in [
        ("docs/docs-5d-1", "docs/docs-5d-1:80", 0, "allow"),
        ("docs/docs-5d-1", "postgres/pg-1:5432", 1, "deny"),
        ("10.42.0.99", "postgres/pg-1:5432", 0, "unknown"),
        ("docs/docs-5d-1", "postgres/gone:80", 2, "unknown"),
    ] {
        let printed = fixture.run(&["-o", "json", from, to]).await.unwrap();
        let answer: Value = serde_json::from_str(&printed.out).unwrap();
        assert_eq!((printed.code, answer["decision"].as_str().unwrap()), (code, decision), "{}", printed.out);
    }
}

#[rstest]
#[case(&["docs/docs", "postgres/gone:80"], "pod docs/docs does not exist; pods of docs: docs-5d-1")]
#[case(&["docs", "postgres/gone:80"], "`docs` is neither")]
#[case(&["docs/docs-5d-1", "postgres/pg-1:x_y"], "`x_y` is no port")]
#[case(&["--queries", "/nowhere"], "/nowhere can't be read")]
#[tokio::test]
async fn errors_name_what_is_wrong(#[case] args: &[&str], #[case] says: &str) {
    let error = Fixture::new().run(args).await.err().unwrap();
    assert!(format!("{error:#}").contains(says), "{error:#}");
}

#[rstest]
#[case(&["--cluster", "kube", "--kubeconfig", "/nowhere"], "the kubeconfig /nowhere can't be used")]
#[case(&["--cluster", "none"], "nothing to judge by")]
#[case(&["--cluster", "dir:/nowhere"], "/nowhere does not exist")]
#[case(&["--url", "http://127.0.0.1:1"], "can't reach an agent at http://127.0.0.1:1")]
#[case(&["--url", "localhost"], "is not a URL")]
#[tokio::test]
async fn a_source_that_cant_be_asked_is_named(#[case] args: &[&str], #[case] says: &str) {
    let error = run(&[args, &["a/b", "c/d:1"]].concat()).await.err().unwrap();
    assert!(format!("{error:#}").contains(says), "{error:#}");
}

#[test]
fn questions_come_from_one_place() {
    let bad: [&[&str]; 3] = [&["a/b"], &[], &["--queries", "x", "a/b"]];
    for args in bad {
        assert!(Cli::try_parse_from(["explain"].iter().chain(args)).is_err(), "{args:?}");
    }
    assert!(Cli::try_parse_from(["explain", "--queries", "-"]).is_ok());
    assert!(Cli::try_parse_from(["explain", "--queries", "-", "-o", "json"]).is_ok());
}

#[tokio::test]
async fn unreadable_objects_cause_a_warning() {
    let fixture = Fixture::new();
    fs::write(fixture.dir.path().join("cluster.yaml"), format!("{CLUSTER}\n---\nkind: Pod\n")).unwrap();
    let printed = fixture.run(&["docs/docs-5d-1", "postgres/pg-1"]).await.unwrap();
    assert!(
        printed.notes.starts_with("warning: ") && printed.notes.contains("metadata.name"),
        "{}",
        printed.notes
    );
}

fn question(id: usize) -> String {
    let port = if id.is_multiple_of(3) { json!(15432) } else { json!(5432) };
    let dst = if id.is_multiple_of(3) {
        json!({"ip": "10.43.0.9"})
    } else {
        json!({"ns": "postgres", "pod": "pg-1"})
    };
    json!({"id": id, "src": {"ns": "docs", "pod": "docs-5d-1"}, "dst": dst, "port": port}).to_string()
}

/// Good questions between bad lines; the ids that must come back.
fn mixed() -> (Vec<u8>, Vec<Value>) {
    let mut text = Vec::new();
    let mut ids = Vec::new();
    for id in 0..2_500 {
        let (line, id): (Vec<u8>, Value) = match id {
            7 => (b"{broken".to_vec(), Value::Null),
            8 => (vec![0xff, 0xfe, 0x00], Value::Null),
            9 => (vec![b'['; MAX_LINE + 1], Value::Null),
            10 => (vec![b'['; 10 * MAX_LINE], Value::Null),
            11 => (vec![b'['; MAX_LINE - 1], Value::Null),
            12 => (br#"{"id":"twelve","src":{}}"#.to_vec(), json!("twelve")),
            n if n % 100 == 0 => (format!("\n  \r\n{}", question(n)).into_bytes(), json!(n)),
            n => (question(n).into_bytes(), json!(n)),
        };
        text.extend_from_slice(&line);
        text.push(b'\n');
        ids.push(id);
    }
    // Without an end of line at the end.
    text.pop();
    (text, ids)
}

fn check(out: &str, ids: &[Value]) {
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.iter().map(|answer| answer["id"].clone()).collect::<Vec<_>>(), ids);
    for answer in &answers {
        let expected = if answer["id"].is_u64() { "deny" } else { "unknown" };
        assert_eq!(answer["decision"], expected, "{answer}");
        assert_eq!(answer.get("error").is_some(), expected == "unknown", "{answer}");
    }
}

#[tokio::test]
async fn a_batch_keeps_its_order_whatever_comes() {
    let fixture = Fixture::new();
    let (text, ids) = mixed();
    let printed = fixture.run(&["--queries", &fixture.questions(text)]).await.unwrap();
    check(&printed.out, &ids);
    assert_eq!(printed.code, 1);
}

#[tokio::test]
async fn batches_without_a_denial_are_fine() {
    let fixture = Fixture::new();
    for (text, lines) in [("", 0), ("\n \n", 0), ("x\n", 1)] {
        let printed = fixture.run(&["--queries", &fixture.questions(text)]).await.unwrap();
        assert_eq!((printed.code, printed.out.lines().count()), (0, lines), "{text:?}");
    }
}

#[tokio::test]
async fn an_agent_answers_the_same() {
    let fixture = Fixture::new();
    let (url, _running) = agent(&fixture).await;
    for to in ["postgres/pg-rw:15432", "postgres/pg-1", "docs/docs-5d-1:80", "[fd00::1]:80/UDP"] {
        let args = ["docs/docs-5d-1", to];
        let local = fixture.run(&args).await.unwrap();
        let asked = run(&[&["--url", &url], &args[..]].concat()).await.unwrap();
        assert_eq!((asked.code, &asked.out), (local.code, &local.out));
    }
    let error = run(&["--url", &url, "docs/gone", "postgres/pg-1"]).await.err().unwrap();
    assert!(error.to_string().contains("pod docs/gone does not exist"), "{error}");

    let (text, ids) = mixed();
    let printed = run(&["--url", &url, "--queries", &fixture.questions(text)]).await.unwrap();
    check(&printed.out, &ids);
    assert_eq!(printed.code, 1);
}

proptest! {
    /// Lines don't depend on how the input comes in pieces.
    #[test]
    fn lines_of_any_input(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b' '), any::<u8>()], 0..200), size in 1usize..50) {
        let mut input = BufReader::with_capacity(size, bytes.as_slice());
        let mut lines = Vec::new();
        while let Some(Line::Question(line)) = next(&mut input).unwrap() {
            lines.push(line);
        }
        let expected = bytes.split(|b| *b == b'\n').map(|line| line.trim_ascii().to_vec()).filter(|line| !line.is_empty());
        prop_assert_eq!(lines, expected.collect::<Vec<_>>());
    }

    #[test]
    fn long_lines_leave_the_next_whole(extra in 0usize..3 * MAX_LINE, size in 1usize..5_000) {
        let text = [&vec![b'x'; MAX_LINE / 2 + extra][..], b"\nnext"].concat();
        let mut input = BufReader::with_capacity(size, text.as_slice());
        let first = next(&mut input).unwrap().unwrap();
        prop_assert_eq!(first == Line::TooLong, MAX_LINE / 2 + extra > MAX_LINE);
        prop_assert_eq!(next(&mut input).unwrap(), Some(Line::Question(b"next".to_vec())));
        prop_assert_eq!(next(&mut input).unwrap(), None);
    }
}
