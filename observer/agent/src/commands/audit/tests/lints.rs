//! Each check, with and without a finding.

use rstest::rstest;

use super::*;

#[track_caller]
fn check(yaml: &[String], expect: &[&str]) -> Report {
    let report = report(&yaml.concat(), &[]);
    assert_eq!(rules(&report), expect, "{:#?}", report.findings);
    report
}

const NAMED: &str = "app.kubernetes.io/name";

#[rstest]
#[case("server", &[])]
#[case("immich-server", &["pod-selector-matches-nothing"])]
fn pod_selectors(#[case] wanted: &str, #[case] expect: &[&str]) {
    let spec = format!("{{podSelector: {{matchLabels: {{{NAMED}: {wanted}}}}}}}");
    let server = deployment("immich", "immich-server", &format!("{NAMED}: server"), "");
    let valkey = deployment("immich", "immich-valkey", &format!("{NAMED}: valkey"), "");
    let report = check(&[policy("immich", "p", &spec), server, valkey], expect);
    if let [finding] = report.findings.as_slice() {
        assert!(
            finding.message.contains("did you mean app.kubernetes.io/name=server?"),
            "{}",
            finding.message
        );
    }
}

#[test]
fn a_label_under_another_key_is_a_near_miss() {
    let labels = format!("{NAMED}: web");
    let manifests =
        [policy("a", "p", "{podSelector: {matchLabels: {app: web}}}"), deployment("a", "w", &labels, "")];
    let report = check(&manifests, &["pod-selector-matches-nothing"]);
    assert!(report.findings[0].message.ends_with("did you mean app.kubernetes.io/name=web?"));
}

#[test]
fn a_selector_that_no_pod_can_match_needs_no_pods() {
    let spec = "{podSelector: {matchLabels: {a: b}, matchExpressions: [{key: a, operator: DoesNotExist}]}}";
    let report = check(&[policy("a", "p", spec)], &["pod-selector-matches-nothing"]);
    assert!(report.findings[0].message.contains("asks for a=b and !a"), "{}", report.findings[0].message);
}

#[test]
fn without_pods_selectors_are_not_checked_and_the_report_contains_it() {
    let report = check(&[policy("a", "p", "{podSelector: {matchLabels: {a: b}}}")], &[]);
    let not_run: Vec<_> = report.not_run.iter().map(|n| (n.rule.as_str(), n.why.as_str())).collect();
    assert_eq!(not_run, [("pod-selector-matches-nothing", "no pod of namespace a is known")]);
}

fn from(peer: &str) -> String {
    policy("db", "p", &format!("{{podSelector: {{}}, ingress: [{{from: [{peer}]}}]}}"))
}

fn of_namespace(name: &str) -> String {
    format!("{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}")
}

#[rstest]
#[case::known("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: web}}}", &[])]
#[case::always_there("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}", &[])]
#[case::any("{namespaceSelector: {}}", &[])]
#[case::pods("{podSelector: {matchLabels: {app: cache}}, namespaceSelector: {}}", &[])]
#[case::unknown("{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: wbe}}}", &["peer-matches-nothing"])]
#[case::no_pod_there("{podSelector: {matchLabels: {app: api}}}", &["peer-matches-nothing"])]
#[case::label("{namespaceSelector: {matchLabels: {team: a}}}", &[])]
fn peers(#[case] peer: &str, #[case] expect: &[&str]) {
    // Labels of `kube-system` aren't known, so that `team=a` may be there.
    let manifests = [
        namespace("web"),
        namespace("db"),
        from(peer),
        deployment("db", "cache", "app: cache", ""),
        deployment("web", "w", "app: api", ""),
    ];
    check(&manifests, expect);
}

#[test]
fn without_namespaces_peers_are_not_checked() {
    let report = check(&[from(&of_namespace("nowhere"))], &[]);
    assert!(report.not_run.iter().any(|n| n.rule.as_str() == "peer-matches-nothing"));
}

#[rstest]
#[case("{port: pg}", &[])]
#[case("{port: 5432}", &[])]
#[case("{port: pgsql}", &["named-port-unresolved"])]
#[case("{port: pg, protocol: UDP}", &["named-port-unresolved"])]
fn named_ports(#[case] port: &str, #[case] expect: &[&str]) {
    let spec = format!("{{podSelector: {{}}, ingress: [{{ports: [{port}]}}]}}");
    let pods = deployment("db", "pg", "app: pg", ", ports: [{name: pg, containerPort: 5432}]");
    check(&[policy("db", "p", &spec), pods], expect);
}

#[test]
fn a_named_port_outside_the_cluster_is_distinguished() {
    let spec = "{podSelector: {}, policyTypes: [Egress], egress: [{}, {to: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: https}]}]}";
    let report = check(&[policy("a", "p", spec)], &["named-port-unresolved", "rule-shadowed"]);
    let message = &only(&report, "named-port-unresolved").message;
    assert!(message.contains("which addresses outside the cluster don't have"), "{message}");
}

const DNS: &str = "{ports: [{port: 53, protocol: UDP}, {port: 53}]}";

#[rstest]
#[case::denied("[]", &["egress-without-dns"])]
#[case::everything("[{}]", &[])]
#[case::both(&format!("[{DNS}]"), &[])]
#[case::udp_alone("[{ports: [{port: 53, protocol: UDP}]}]", &["egress-without-dns"])]
#[case::kube_system("[{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}]}]", &[])]
#[case::elsewhere("[{to: [{podSelector: {}}]}]", &["egress-without-dns"])]
#[case::cluster_ip(
    "[{to: [{ipBlock: {cidr: 10.43.0.10/32}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]",
    &["egress-without-dns", "ipblock-in-cluster"]
)]
#[case::internet("[{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]", &[])]
fn dns(#[case] egress: &str, #[case] expect: &[&str]) {
    let spec = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: {egress}}}");
    check(&[policy("web", "p", &spec)], expect);
    check(&[policy("web", "p", &spec), deployment("web", "w", "app: web", "")], expect);
}

#[test]
fn dns_servers_that_are_known_must_be_reached() {
    let to = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: coredns}}";
    let spec = format!(
        "{{podSelector: {{}}, egress: [{{to: [{{{to}}}], ports: [{{port: 53, protocol: UDP}}, {{port: 53}}]}}]}}"
    );
    let web = deployment("web", "w", "app: web", "");
    let servers = deployment("kube-system", "coredns", "k8s-app: kube-dns", "");
    // `podSelector: {}` without policyTypes isolates ingress too, which does not matter here.
    check(
        &[policy("web", "p", &spec), web, servers, namespace("web")],
        &["egress-without-dns", "peer-matches-nothing"],
    );
}

#[test]
fn pods_without_dns_are_reported_once_by_the_policies_that_isolate_them() {
    let deny = policy("web", "deny", "{podSelector: {}, policyTypes: [Egress]}");
    let dns =
        policy("web", "dns", &format!("{{podSelector: {{matchLabels: {{dns: 'y'}}}}, egress: [{DNS}]}}"));
    let manifests = [
        deny,
        dns,
        deployment("web", "a", "dns: 'y'", ""),
        deployment("web", "b", "x: b", ""),
        deployment("web", "c", "x: c", ""),
    ];
    let report = check(&manifests, &["egress-without-dns"]);
    let message = &only(&report, "egress-without-dns").message;
    assert!(message.starts_with("web/b, c: egress is isolated by web/deny and"), "{message}");
}

fn operator(egress: &str) -> [String; 2] {
    let spec = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{DNS}, {egress}]}}");
    [policy("ops", "p", &spec), deployment("ops", "cert-operator", "app: x", "")]
}

#[rstest]
#[case::node("{to: [{ipBlock: {cidr: 10.0.40.101/32}}], ports: [{port: 6443}]}", &[])]
#[case::any_address("{ports: [{port: 6443}]}", &[])]
#[case::another_port("{to: [{ipBlock: {cidr: 10.0.40.101/32}}], ports: [{port: 9000}]}", &["egress-without-apiserver"])]
#[case::cluster_ip(
    "{to: [{ipBlock: {cidr: 10.43.0.1/32}}], ports: [{port: 443}]}",
    &["egress-without-apiserver", "ipblock-in-cluster"]
)]
fn apiserver(#[case] egress: &str, #[case] expect: &[&str]) {
    check(&operator(egress), expect);
}

#[rstest]
#[case::bound("ops", &["egress-without-apiserver"])]
#[case::of_another_namespace("web", &[])]
fn who_is_bound_to_a_role_needs_the_api(#[case] of: &str, #[case] expect: &[&str]) {
    let binding = format!(
        "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: b}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: r}}\n\
         subjects: [{{kind: ServiceAccount, name: default, namespace: {of}}}]\n"
    );
    let spec = format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{DNS}]}}");
    check(&[policy("ops", "p", &spec), deployment("ops", "web", "app: x", ""), binding], expect);
}

#[test]
fn cnpg_instances_need_the_api_though_no_pod_is_known() {
    let selector = "{matchLabels: {cnpg.io/cluster: pg}}";
    let spec = format!("{{podSelector: {selector}, policyTypes: [Egress], egress: [{DNS}]}}");
    check(&[policy("db", "p", &spec)], &["egress-without-apiserver"]);
}

#[rstest]
#[case("0.0.0.0/0", &[])]
#[case("10.0.0.0/8", &[])]
#[case("192.168.1.0/24", &[])]
#[case("10.42.0.0/16", &["ipblock-in-cluster"])]
#[case("10.42.3.7/32", &["ipblock-in-cluster"])]
#[case("10.43.0.1/32", &["ipblock-in-cluster"])]
fn blocks(#[case] cidr: &str, #[case] expect: &[&str]) {
    let report = check(&[from(&format!("{{ipBlock: {{cidr: {cidr}}}}}"))], expect);
    assert!(report.findings.iter().all(|finding| finding.message.contains("the default of k3s")));
}

#[rstest]
#[case("{cidr: 10.1.0.0/16, except: [10.1.2.0/24]}", &[])]
#[case("{cidr: 10.1.0.0/16, except: [10.1.2.0/24, 10.1.3.0/24]}", &[])]
#[case("{cidr: 10.1.0.0/16, except: [10.1.0.0/17, 10.1.128.0/17]}", &["rule-empty"])]
fn exceptions_that_leave_nothing(#[case] block: &str, #[case] expect: &[&str]) {
    check(&[from(&format!("{{ipBlock: {block}}}"))], expect);
}

#[test]
fn labels_that_exclude_each_other() {
    let both = "{matchLabels: {a: b}, matchExpressions: [{key: a, operator: NotIn, values: [b, c]}]}";
    let report = check(&[from(&format!("{{podSelector: {both}}}"))], &["rule-empty"]);
    assert!(report.findings[0].message.ends_with("nothing has both a=b and a notin (b,c)"));
}

#[rstest]
#[case::different("{ports: [{port: 80}]}, {ports: [{port: 81}]}", &[])]
#[case::the_same("{ports: [{port: 80}]}, {ports: [{port: 80}]}", &["rule-shadowed"])]
#[case::in_a_range("{ports: [{port: 80}]}, {ports: [{port: 1, endPort: 90}]}", &["rule-shadowed"])]
#[case::all_ports("{ports: [{port: 80}]}, {}", &["rule-shadowed"])]
#[case::fewer_labels(
    "{from: [{podSelector: {matchLabels: {a: b, c: d}}}]}, {from: [{podSelector: {matchLabels: {a: b}}}]}",
    &["rule-shadowed"]
)]
#[case::other_labels(
    "{from: [{podSelector: {matchLabels: {c: d}}}]}, {from: [{podSelector: {matchLabels: {a: b}}}]}",
    &[]
)]
#[case::own_namespace("{from: [{podSelector: {}}]}, {from: [{namespaceSelector: {}}]}", &["rule-shadowed"])]
#[case::blocks("{from: [{ipBlock: {cidr: 10.1.2.0/24}}]}, {from: [{ipBlock: {cidr: 10.1.0.0/16}}]}", &["rule-shadowed"])]
#[case::left_out(
    "{from: [{ipBlock: {cidr: 10.1.2.0/24}}]}, {from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.2.0/30]}}]}",
    &[]
)]
#[case::left_out_elsewhere(
    "{from: [{ipBlock: {cidr: 10.1.2.0/24}}]}, {from: [{ipBlock: {cidr: 10.1.0.0/16, except: [10.1.3.0/24]}}]}",
    &["rule-shadowed"]
)]
fn shadows(#[case] ingress: &str, #[case] expect: &[&str]) {
    let report = check(&[policy("a", "p", &format!("{{podSelector: {{}}, ingress: [{ingress}]}}"))], expect);
    assert!(report.findings.len() <= 1, "one of the two is superfluous, not both: {:#?}", report.findings);
}

#[test]
fn a_broken_policy_is_found_and_the_rest_judged() {
    let broken = policy("a", "bad", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}");
    let good = policy("a", "good", "{podSelector: {}, ingress: [{}, {}]}");
    let report = check(&[broken, good], &["broken-policy", "rule-shadowed"]);
    let finding = only(&report, "broken-policy");
    assert_eq!(finding.object, "NetworkPolicy a/bad");
    assert!(finding.message.contains("cidr"), "{}", finding.message);
    assert_eq!(report.policies, 2);
    assert_eq!(report.notes, [""; 0], "it is reported once");
}

#[test]
fn a_document_that_cannot_be_parsed_may_hold_a_policy() {
    let report = check(&[namespace("a"), "---\na: {{ .Values.b }\n".to_owned()], &["broken-policy"]);
    assert!(only(&report, "broken-policy").message.contains("not valid YAML"));
}

fn used(annotation: &str, ingress: &str) -> Vec<String> {
    let consumer = format!(
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: docs, annotations: {{flow-observer.io/uses: '{annotation}'}}}}\n"
    );
    let spec = format!("{{podSelector: {{}}, ingress: [{ingress}]}}");
    vec![consumer, namespace("app"), policy("db", "p", &spec)]
}

#[rstest]
#[case::not_named("db", "app", &["consumer-not-admitted"])]
#[case::named("db", "docs", &[])]
#[case::nothing_isolates("cache", "app", &[])]
#[case::itself("docs", "app", &[])]
fn namespaces_declared_to_use_others(#[case] uses: &str, #[case] admitted: &str, #[case] expect: &[&str]) {
    let rule = format!("{{from: [{}]}}", of_namespace(admitted));
    check(&used(uses, &rule), expect);
}

#[test]
fn a_port_that_is_not_admitted_counts_when_it_is_declared() {
    let rule = format!("{{from: [{}], ports: [{{port: 5432}}]}}", of_namespace("docs"));
    check(&used("db:5432", &rule), &[]);
    check(&used("db", &rule), &[]);
    check(&used("db:6379", &rule), &["consumer-not-admitted"]);
}

#[test]
fn labels_of_pods_that_are_not_known_are_not_held_against_a_namespace() {
    let peer = of_namespace("docs")
        .replace("{namespaceSelector", "{podSelector: {matchLabels: {app: d}}, namespaceSelector");
    check(&used("db", &format!("{{from: [{peer}]}}")), &[]);
}

#[rstest]
#[case("value: 'postgresql://u:p@rw.db.svc.cluster.local:5432/x'", &["consumer-not-admitted"])]
#[case("value: 'postgresql://u:p@rw.cache.svc.cluster.local:5432/x'", &[])]
fn uses_are_inferred_from_the_environment(#[case] value: &str, #[case] expect: &[&str]) {
    let container = format!(", env: [{{name: URL, {value}}}]");
    let deny = policy("db", "p", "{podSelector: {}}");
    let report = check(&[deny, deployment("docs", "docs", "app: docs", &container)], expect);
    if let [finding] = report.findings.as_slice() {
        assert!(finding.message.contains("db/rw:5432"), "{}", finding.message);
        assert_eq!(finding.object, "Deployment docs/docs");
    }
}

#[test]
fn services_are_followed_to_their_pods() {
    let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: rw, namespace: db}\n\
                   spec: {selector: {app: pg}, ports: [{port: 80, targetPort: pg}]}\n";
    let admits = |port: u16| {
        let spec = format!(
            "{{podSelector: {{matchLabels: {{app: pg}}}}, ingress: [{{ports: [{{port: {port}}}]}}]}}"
        );
        policy("db", "p", &spec)
    };
    let pods = deployment("db", "pg", "app: pg", ", ports: [{name: pg, containerPort: 5432}]");
    let docs = deployment("docs", "docs", "app: docs", ", args: ['--db=rw.db.svc:80']");
    let all = |port| [service.to_owned(), admits(port), pods.clone(), docs.clone()];
    check(&all(5432), &[]);
    check(&all(80), &["consumer-not-admitted"]);
}

#[test]
fn declarations_about_unknown_objects_are_reported() {
    let report = check(&used("dbs", "{}"), &[]);
    let not_run: Vec<_> = report.not_run.iter().map(|n| n.why.as_str()).collect();
    assert!(
        not_run
            .iter()
            .any(|why| why.starts_with("Namespace docs uses namespace dbs, of which nothing is known")),
        "{not_run:?}"
    );
}

fn ignoring(reason: &str) -> String {
    let deny = policy("web", "p", "{podSelector: {}, policyTypes: [Egress]}");
    deny.replace("name: p,", &format!("name: p, annotations: {{flow-observer.io/audit-ignore: {reason}}},"))
}

#[test]
fn an_annotation_opts_out_with_a_reason() {
    let report = check(&[ignoring("'batch jobs, no network'")], &[]);
    assert_eq!(report.ignored[0].reason, "batch jobs, no network");
    assert_eq!(report.ignored[0].finding.rule.as_str(), "egress-without-dns");
    let report = check(&[ignoring("' '")], &["egress-without-dns"]);
    assert!(report.findings[0].message.contains("gives no reason"), "{}", report.findings[0].message);
}

#[test]
fn a_namespace_opts_out_for_what_is_in_it() {
    let of = |name: &str| {
        format!(
            "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, annotations: {{flow-observer.io/audit-ignore: sandbox}}}}\n"
        )
    };
    let deny = policy("web", "p", "{podSelector: {}, policyTypes: [Egress]}");
    let report = check(&[of("web"), deny.clone()], &[]);
    assert_eq!(report.ignored.len(), 1);
    check(&[of("db"), deny], &["egress-without-dns"]);
}

fn dns_on(target_port: &str) -> String {
    let port = |name: &str, protocol: &str| {
        format!("{{name: {name}, port: 53, targetPort: {target_port}, protocol: {protocol}}}")
    };
    let (udp, tcp) = (port("dns", "UDP"), port("dns-tcp", "TCP"));
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: kube-dns, namespace: kube-system}}\n\
         spec: {{clusterIP: 10.43.0.10, selector: {{k8s-app: kube-dns}}, ports: [{udp}, {tcp}]}}\n"
    )
}

/// Policies see the port on which the servers listen.
#[rstest]
#[case::usual("53", 53, &[])]
#[case::another("5353", 5353, &[])]
#[case::the_port_of_the_service("5353", 53, &["egress-without-dns"])]
fn dns_servers_may_listen_on_another_port(
    #[case] listens: &str,
    #[case] admitted: u16,
    #[case] expect: &[&str],
) {
    let to = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}";
    let spec = format!(
        "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{{to}}}], \
         ports: [{{port: {admitted}, protocol: UDP}}, {{port: {admitted}}}]}}]}}"
    );
    let web = deployment("web", "w", "app: web", "");
    let servers = deployment("kube-system", "coredns", "k8s-app: kube-dns", "");
    let report = check(&[policy("web", "p", &spec), web, servers, dns_on(listens)], expect);
    if let [finding] = &report.findings[..] {
        assert!(finding.message.contains("port 5353, which is behind port 53"), "{}", finding.message);
    }
}

#[test]
fn a_dns_cache_on_the_nodes_may_answer_at_the_service_s_address() {
    let spec = format!(
        "{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{ipBlock: {{cidr: 10.43.0.10/32}}}}], ports: {}}}]}}",
        "[{port: 53, protocol: UDP}, {port: 53}]"
    );
    let cache = "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: node-local-dns, namespace: kube-system}\n\
         spec: {template: {metadata: {labels: {k8s-app: node-local-dns}}, spec: {hostNetwork: true, \
         containers: [{name: node-cache, image: i, args: [-localip, '169.254.20.10,10.43.0.10']}]}}}\n";
    let all = |more: &str| {
        [policy("web", "p", &spec), deployment("web", "w", "app: web", ""), dns_on("53"), more.to_owned()]
    };
    check(&all(cache), &[]);
    check(&all(""), &["egress-without-dns", "ipblock-in-cluster"]);
}

#[rstest]
#[case::typo("0.0.0.0/24", &["rule-empty"])]
#[case::every_address("0.0.0.0/0", &[])]
fn networks_without_hosts(#[case] cidr: &str, #[case] expect: &[&str]) {
    let report = check(&[from(&format!("{{ipBlock: {{cidr: {cidr}}}}}"))], expect);
    if let [finding] = &report.findings[..] {
        assert!(finding.message.contains("0.0.0.0/0 is every address"), "{}", finding.message);
    }
}

#[test]
fn a_peer_that_matches_only_pods_of_the_node_s_network_matches_nobody() {
    let pod = |name: &str, host: bool| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: edge, labels: {{app: {name}}}}}\n\
             spec: {{hostNetwork: {host}, containers: [{{name: c, image: i}}]}}\n"
        )
    };
    let of = |app: &str| {
        from(&format!(
            "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: edge}}}}, podSelector: {{matchLabels: {{app: {app}}}}}}}"
        ))
    };
    let pods = || [pod("proxy", true), pod("web", false), namespace("edge")].concat();
    let report = check(&[of("proxy"), pods()], &["peer-matches-nothing"]);
    assert!(report.findings[0].message.contains("(hostNetwork)"), "{}", report.findings[0].message);
    check(&[of("web"), pods()], &[]);
}

#[test]
fn the_label_that_every_namespace_has_is_suggested() {
    let manifests =
        [from("{namespaceSelector: {matchLabels: {name: edge}}}"), namespace("edge"), namespace("db")];
    let others = ["default", "kube-node-lease", "kube-public", "kube-system"].map(namespace).concat();
    let report = check(&[manifests.concat(), others], &["peer-matches-nothing"]);
    let message = &report.findings[0].message;
    assert!(message.ends_with("did you mean kubernetes.io/metadata.name=edge?"), "{message}");
}
