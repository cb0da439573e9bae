//! Checks lines: what must not be used where, file sizes, white space.

const MAX_LINES: usize = 500;

/// Forbids some text in the Rust files below a folder.
struct Rule {
    under: &'static str,
    except: &'static [&'static str],
    forbidden: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        under: "observer/",
        except: &["observer/objects/", "observer/agent/src/kube", "observer/agent/src/app/review"],
        forbidden: &["k8s_openapi"],
        why: "Kubernetes types stay inside flow-objects, the agent's kube/ and its review adapter",
    },
    Rule {
        under: "",
        except: &["xtask/src/tidy/"],
        forbidden: &["#[path"],
        why: "a module lies where its name says",
    },
    Rule {
        under: "",
        except: &[
            "observer-ebpf/",
            "observer/agent/src/probes",
            "observer/agent/src/memory.rs",
            "tests/",
            "xtask/src/tidy/",
        ],
        forbidden: &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern"],
        why: "unsafe code stays inside observer-ebpf, the agent's probes/ and memory.rs (two calls of the allocator), and the tests",
    },
];

/// Returns a problem for each line of a file that breaks a rule.
pub(super) fn check(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    let is_rust = file.ends_with(".rs");
    if is_rust && lines > MAX_LINES {
        problems
            .push(format!("{file}: {lines} lines; a file of more than {MAX_LINES} holds more than one idea"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(format!("{file}: no newline at the end"));
    }
    for (number, line) in text.lines().enumerate() {
        let at = format!("{file}:{}", number + 1);
        if line.ends_with([' ', '\t']) && !file.ends_with(".snap") {
            problems.push(format!("{at}: white space at the end of the line"));
        }
        if is_rust && !line.trim_start().starts_with("//") {
            problems.extend(breaches(file, line).map(|(what, why)| format!("{at}: `{what}`: {why}")));
        }
    }
    problems
}

fn breaches<'a>(file: &'a str, line: &'a str) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    let applies =
        move |rule: &&Rule| file.starts_with(rule.under) && !rule.except.iter().any(|e| file.starts_with(e));
    let found = move |rule: &'static Rule| rule.forbidden.iter().filter(|text| line.contains(**text));
    RULES.iter().filter(applies).flat_map(move |rule| found(rule).map(|text| (*text, rule.why)))
}

#[cfg(test)]
mod tests;
