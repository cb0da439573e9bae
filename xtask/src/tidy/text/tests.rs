use super::*;

#[test]
fn each_rule_finds_its_breach() {
    for (file, line) in [
        ("observer/agent/src/app.rs", "use k8s_openapi::api;"),
        ("observer/policy/src/plain.rs", "use k8s_openapi::api;"),
        ("observer/agent/src/app.rs", "unsafe { x() }"),
        ("observer/core/src/engine.rs", "unsafe { x() }"),
        ("observer/agent/src/app.rs", "#[path = \"b.rs\"]"),
        ("observer/agent/src/app.rs", "let x = 1; "),
    ] {
        assert_eq!(check(file, &format!("{line}\n")).len(), 1, "{file}: {line}");
    }
}

#[test]
fn allowed_lines_pass() {
    for (file, line) in [
        ("observer/agent/src/kube/pod.rs", "use k8s_openapi::api;"),
        ("observer/objects/src/convert.rs", "use k8s_openapi::api;"),
        ("observer/agent/src/probes/drain.rs", "unsafe { x() }"),
        ("observer-ebpf/src/record.rs", "unsafe { x() }"),
        ("observer/agent/src/sink.rs", "// not k8s_openapi"),
    ] {
        assert_eq!(check(file, &format!("{line}\n")), Vec::<String>::new());
    }
}

#[test]
fn long_files_and_missing_newlines_are_problems() {
    assert_eq!(check("a.rs", &"x\n".repeat(MAX_LINES + 1)).len(), 1);
    assert_eq!(check("a.rs", &"x\n".repeat(MAX_LINES)).len(), 0);
    assert_eq!(check("a.md", "x").len(), 1);
}
