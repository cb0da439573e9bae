//! Problems are named with file and line, and don't affect anything else.

use std::path::Path;

use rstest::rstest;

use super::*;
use crate::ClusterError;
use crate::index::UNREADABLE;

/// Each problem as `line: message`, of one file.
fn problems(name: &str, text: &str) -> (Vec<String>, Vec<String>) {
    let loaded = loaded(&[(name, text)]);
    let names = names(&loaded.inventory).into_iter().map(String::from).collect();
    let problems = loaded.problems.iter().map(|p| {
        assert!(p.file.ends_with(name));
        assert!(p.to_string().starts_with(&format!("{}:", p.file.display())));
        format!("{}: {}", p.line, p.message)
    });
    (names, problems.collect())
}

#[rstest]
#[case::syntax("kind: Pod\nmetadata: [\n", "2: not valid YAML: unclosed bracket")]
#[case::indent("kind: Pod\n  name: a\n", "2: not valid YAML: mapping values are not allowed")]
#[case::tab("kind: Pod\nmetadata:\n\tname: a\n", "3: not valid YAML: tabs disallowed within this context")]
#[case::scalar("just text\n", "1: not a Kubernetes object: it has no `kind`")]
#[case::helm_values("replicas: 3\n", "1: not a Kubernetes object: it has no `kind`")]
#[case::template("kind: Pod\nmetadata: {{ .Values.x }}\n", "2: not valid YAML")]
#[case::nameless("kind: Pod\napiVersion: v1\n", "1: Pod has no `metadata.name`")]
#[case::version(
    "kind: Pod\napiVersion: v7\nmetadata: {name: a}\n",
    "1: Pod default/a is left out: invalid value: string \"v7\", expected v1"
)]
#[case::type_of_field(
    "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nspec: {containers: [{name: c, ports: [{containerPort: many}]}]}\n",
    "1: Pod default/a is left out: spec.containers[0].ports[0].containerPort: invalid type: string"
)]
#[case::metadata(
    "kind: Job\napiVersion: batch/v1\nmetadata: {name: a, labels: 3}\n",
    "1: Job default/a is left out: metadata.labels: invalid type"
)]
fn one_bad_document_between_two_good_ones(#[case] bad: &str, #[case] expect: &str) {
    // The document begins on line 4.
    let text = format!("# good\n{}---\n{bad}---\n{}", mk_pod("a", "10.0.0.1"), mk_pod("b", "10.0.0.2"));
    let (names, problems) = problems("x.yaml", &text);
    assert_eq!(names, ["a", "b"]);
    let (line, message) = expect.split_once(": ").unwrap();
    // A syntax error has its own line; a problem of an object has the line where its document begins.
    let expect = format!("{}: {message}", line.parse::<usize>().unwrap() + 3);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(&expect), "{} is not {expect}", problems[0]);
}

#[test]
fn an_error_at_the_end_has_a_line_that_exists() {
    let (_, problems) = problems("x.yaml", "kind: Pod\nmetadata: [");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("2: not valid YAML"), "{problems:?}");
}

#[test]
fn a_bad_list_item_is_named_by_place_and_name() {
    let text = format!(
        "kind: List\napiVersion: v1\nitems:\n- {}- {{kind: Service, apiVersion: v1, metadata: {{name: s, namespace: web}}, spec: {{ports: 7}}}}\n- 5\n- {}",
        mk_pod("a", "10.0.0.1"),
        mk_pod("b", "10.0.0.2")
    );
    let (names, problems) = problems("x.yaml", &text);
    assert_eq!(names, ["a", "b"]);
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].starts_with("5: items[1]: Service web/s is left out: spec.ports: invalid type"),
        "{problems:?}"
    );
    assert_eq!(problems[1], "1: items[2]: not a Kubernetes object: it has no `kind`");
}

#[rstest]
#[case::missing_comma("{\n  \"kind\": \"Pod\"\n  \"x\": 1\n}\n", "4: not valid JSON: expected `,` or `}`")]
#[case::cut("{\n  \"kind\": \"Po\n", "3: not valid JSON: control character")]
fn json_is_read_on_after_a_bad_value(#[case] bad: &str, #[case] expect: &str) {
    let good = |name: &str| {
        format!("{{\"kind\": \"Pod\", \"apiVersion\": \"v1\",\n \"metadata\": {{\"name\": \"{name}\"}}}}\n")
    };
    let text = format!("{}{bad}{}{}", good("a"), good("b"), good("c"));
    let (names, problems) = problems("x.json", &text);
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let line: usize = problems[0].split_once(':').unwrap().0.parse().unwrap();
    assert!(problems[0].contains(expect.split_once(": ").unwrap().1), "{problems:?}");
    assert!((3..=5).contains(&line), "{problems:?}");
}

#[test]
fn bad_values_are_left_out_and_the_object_stays() {
    let pod =
        "kind: Pod\napiVersion: v1\nmetadata: {name: a}\nstatus: {podIPs: [{ip: 10.0.0.1}, {ip: banana}]}\n";
    let loaded = loaded(&[("x.yaml", pod)]);
    assert_eq!(loaded.inventory.pods[0].ips.len(), 1);
    assert_eq!(loaded.problems[0].message, "Pod default/a: status.podIPs `banana` is not an IP address");
    assert_eq!(loaded.inventory.objects[&UNREADABLE], 1);
}

#[test]
fn bytes_that_are_no_text_affect_one_document() {
    let dir = directory(&[]);
    let (a, b) = (mk_pod("a", "10.0.0.1"), mk_pod("b", "10.0.0.2"));
    let text = [a.as_bytes(), b"---\nx: 1\ny: \xff\xfe\n---\n", b.as_bytes()];
    fs::write(dir.path().join("x.yaml"), text.concat()).unwrap();
    let loaded = load(dir.path()).unwrap();
    assert_eq!(names(&loaded.inventory), ["a", "b"]);
    assert_eq!((loaded.problems[0].line, &*loaded.problems[0].message), (4, "not UTF-8 text"));
}

#[test]
fn a_missing_path_is_an_error_with_a_remedy() {
    let error = load(Path::new("/nonexistent/cluster")).unwrap_err();
    assert!(matches!(error, ClusterError::Missing { .. }));
    assert!(error.to_string().contains("kubectl get"), "{error}");
}

#[test]
fn an_empty_directory_is_a_problem_not_an_error() {
    let loaded = loaded(&[]);
    assert_eq!(loaded.problems.len(), 1);
    assert!(loaded.problems[0].message.contains("*.yaml"));
}

#[test]
fn a_billion_laughs_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        text += &format!("a{i}: &a{i} [{refs}]\n");
    }
    let (_, problems) = problems("x.yaml", &text);
    assert_eq!(problems.len(), 1);
}

/// What is left out in this directory is a problem that makes every verdict uncertain.
#[track_caller]
fn left_out(directory: &Path, part: &str) {
    let loaded = load(directory).unwrap();
    let [problem] = &loaded.problems[..] else { panic!("{:?}", loaded.problems) };
    assert!(problem.message.contains(part), "{problem}");
    assert_eq!(
        (&problem.extent, loaded.inventory.policies.broken.len()),
        (&crate::problem::Extent::Unreadable, 1)
    );
}

#[test]
fn files_that_are_left_out_make_everything_uncertain() {
    let pod = mk_pod("a", "10.0.0.1");
    let dir = directory(&[("a.yaml", &pod)]);
    std::os::unix::fs::symlink("nowhere", dir.path().join("b.yaml")).unwrap();
    left_out(dir.path(), "is a symlink to a path that does not exist");

    let deep = format!("{}b.yaml", "d/".repeat(17));
    left_out(directory(&[("a.yaml", &pod), (&deep, &pod)]).path(), "is more than 16 directories deep");

    let dir = directory(&[("a.yaml", &pod)]);
    let large = fs::File::create(dir.path().join("large.yaml")).unwrap();
    large.set_len((256 << 20) + 1).unwrap();
    left_out(dir.path(), "larger than 256 MiB");

    let dir = directory(&[("a.yaml", &pod)]);
    for i in 0..10_000 {
        fs::write(dir.path().join(format!("b{i}.json")), "{\"kind\":\"A\",\"metadata\":{\"name\":\"a\"}}")
            .unwrap();
    }
    left_out(dir.path(), "more than 10000 files");
}

#[test]
fn long_text_is_not_copied_without_end() {
    let aliases = "*a, ".repeat(10_000);
    let text = format!("a: &a {}\nb: [{aliases}]\n", "x".repeat(100_000));
    let (_, found) = problems("x.yaml", &text);
    assert!(found.len() == 1 && found[0].contains("aliases add more than"), "{found:?}");
}

#[test]
fn anchors_within_anchors_are_counted() {
    let text: String = (0..100).map(|i| format!("&a{i} [")).collect();
    let text = format!("{text}{}{}", "x, ".repeat(10_000), "]".repeat(100));
    let (_, found) = problems("x.yaml", &text);
    assert!(found.len() == 1 && found[0].contains("aliases add more than"), "{found:?}");
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        crate::document::parse(&bytes);
    }

    #[test]
    fn any_mix_of_yaml_pieces_is_survived(pieces in proptest::collection::vec(
        proptest::sample::select(vec!["{", "}", "[", "]", ":", "- ", "\n", "---\n", "...\n", "kind", " ", "\"", "&a", "*a", "|", "\t", "#", "%", "é"]),
        0..40,
    )) {
        let text = pieces.concat();
        for document in crate::document::parse(text.as_bytes()) {
            let lines = text.lines().count() + 1;
            let line = match &document { Ok(d) => d.line, Err(b) => b.line };
            proptest::prop_assert!((1..=lines).contains(&line), "{document:?} of {lines} lines: {text:?}");
        }
    }
}
