//! Kustomizations, charts and other files from which manifests are made.

use rstest::rstest;

use super::*;
use crate::manifests::{self, Manifests, Reader};
use crate::problem::Extent;

const POLICY: &str = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: NAME}, spec: {podSelector: {}}}";

fn policy(name: &str) -> String {
    POLICY.replace("NAME", name)
}

fn read(files: &[(&str, &str)], reader: &Reader<'_>) -> (Vec<String>, Manifests) {
    let dir = directory(files);
    let found = reader.load(dir.path()).unwrap();
    let unjudged = found.problems.iter().filter(|problem| matches!(problem.extent, Extent::Unjudged(_)));
    let unjudged =
        unjudged.map(|problem| problem.file.strip_prefix(dir.path()).unwrap().display().to_string());
    (unjudged.collect(), found)
}

fn policies(found: &Manifests) -> Vec<String> {
    found.inventory.policies.namespaced.iter().map(|policy| policy.object_ref().to_string()).collect()
}

#[test]
fn what_a_kustomization_refers_to_is_not_read_by_itself() {
    let files = [
        ("base/kustomization.yaml", "namespace: db\nresources: [p.yaml]\n"),
        ("base/p.yaml", &*policy("base")),
        (
            "prod/Kustomization",
            "resources: [../base]\npatches: [{path: patch.yaml}]\ncomponents: [../part]\n",
        ),
        ("prod/patch.yaml", &policy("patch")),
        ("part/kustomization.yml", "kind: Component\nresources: [more.yaml]\n"),
        ("part/more.yaml", &policy("more")),
        ("other/p.yaml", &policy("other")),
    ];
    let (unjudged, found) = read(&files, &Reader::default());
    assert_eq!(unjudged, ["prod/Kustomization"]);
    assert_eq!(policies(&found), ["default/other"]);
    let render = |directory: &Path| {
        assert!(directory.ends_with("prod"));
        Ok(policy("rendered").into_bytes())
    };
    let (unjudged, found) = read(&files, &Reader { namespace: None, render: &render });
    assert_eq!(
        (unjudged.len(), policies(&found)),
        (0, vec!["default/other".into(), "default/rendered".into()])
    );
    assert!(found.problems[0].message.contains("rendered"), "{:?}", found.problems);
}

use std::path::Path;

#[test]
fn words_of_a_kustomization_hide_no_directory() {
    let files = [
        (
            "kustomization.yaml",
            "namespace: db\nnamePrefix: db\ncommonLabels: {app: db}\nconfigMapGenerator: [{name: db, literals: [a=db]}]\n",
        ),
        ("db/kustomization.yaml", "resources: [p.yaml]\n"),
        ("db/p.yaml", &*policy("db")),
    ];
    assert_eq!(read(&files, &Reader::default()).0, ["db/kustomization.yaml", "kustomization.yaml"]);
}

#[test]
fn kustomizations_that_refer_to_each_other_are_not_lost() {
    let files = [
        ("a/kustomization.yaml", "resources: [../b, p.yaml]\n"),
        ("a/p.yaml", &*policy("a")),
        ("b/kustomization.yaml", "resources: [../a]\n"),
    ];
    assert_eq!(read(&files, &Reader::default()).0, ["a/kustomization.yaml", "b/kustomization.yaml"]);
}

#[test]
fn a_chart_is_named_and_its_files_are_not_read() {
    let files = [
        ("db/Chart.yaml", "apiVersion: v2\nname: db\n"),
        ("db/values.yaml", "a: 1\n"),
        ("db/templates/p.yaml", &*policy("template")),
        ("db/charts/sub/Chart.yaml", "apiVersion: v2\n"),
        ("db/policies/p.yaml", &policy("own")),
    ];
    let (unjudged, found) = read(&files, &Reader::default());
    assert_eq!(
        (unjudged, policies(&found)),
        (vec!["db/Chart.yaml".to_owned()], vec!["default/own".to_owned()])
    );
}

#[rstest]
#[case::kustomization("kustomization.yaml", "resources: []\n", "kubectl kustomize")]
#[case::chart("Chart.yaml", "apiVersion: v2\nname: x\n", "helm template")]
#[case::template("p.yaml", "kind: {{ .Values.kind }}\n", "it is a template")]
#[case::condition("p.yaml", "{{ if .Values.p }}\nkind: Pod\n{{ end }}\n", "it is a template")]
#[case::braces("p.yaml", "{{- .Files.Get \"p.yaml\" }}\n", "it is a template")]
#[case::name(
    "p.yaml",
    "kind: Pod\napiVersion: v1\nmetadata: {name: '{{ .Release.Name }}'}\n",
    "mark of a template"
)]
#[case::variable(
    "p.yaml",
    "kind: Pod\napiVersion: v1\nmetadata: {name: a, namespace: '${NS}'}\n",
    "mark of a template"
)]
fn of_a_cluster_it_makes_everything_uncertain(#[case] file: &str, #[case] text: &str, #[case] part: &str) {
    let loaded = loaded(&[(file, text)]);
    assert!(loaded.problems[0].message.contains(part), "{:?}", loaded.problems);
    let [broken] = &loaded.inventory.policies.broken[..] else { panic!("{:?}", loaded.inventory.policies) };
    assert!(broken.name.contains(file) && broken.selector.is_none(), "{broken:?}");
}

#[test]
fn objects_without_namespace_are_listed_or_put_into_one() {
    let text = format!(
        "{}\n---\n{{kind: ClusterRole, apiVersion: rbac.authorization.k8s.io/v1, metadata: {{name: r}}}}\n---\n{}",
        policy("a"),
        policy("b").replace("name: b", "name: b, namespace: own")
    );
    let found = manifests::parse("x", text.as_bytes());
    let unplaced: Vec<_> = found.unplaced.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(unplaced, ["NetworkPolicy default/a"]);
    let found = Reader { namespace: Some("shop".into()), ..Reader::default() }.parse("x", text.as_bytes());
    assert_eq!((found.unplaced.len(), policies(&found)), (0, vec!["own/b".into(), "shop/a".into()]));
}

#[test]
fn objects_that_make_others_are_not_judged() {
    let text =
        "{apiVersion: argoproj.io/v1alpha1, kind: Application, metadata: {name: a, namespace: argocd}}";
    assert_eq!(read(&[("a.yaml", text)], &Reader::default()).0, ["a.yaml"]);
}

#[test]
fn a_policy_twice_with_other_content_is_not_judged() {
    let other = policy("p").replace("podSelector: {}", "podSelector: {matchLabels: {a: b}}");
    let twice = format!("{}\n---\n{other}", policy("p"));
    assert_eq!(read(&[("a.yaml", &twice)], &Reader::default()).0, ["a.yaml"]);
    let list = format!("[{}, {other}]", policy("p"));
    assert_eq!(read(&[("a.yaml", &list)], &Reader::default()).0, ["a.yaml"]);
    assert_eq!(read(&[("a.yaml", &policy("p")), ("b.yaml", &other)], &Reader::default()).0, ["b.yaml"]);
    assert!(read(&[("a.yaml", &policy("p")), ("b.yaml", &policy("p"))], &Reader::default()).0.is_empty());
}
