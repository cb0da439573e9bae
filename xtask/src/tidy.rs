//! Rules that the compiler can't check.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::run::complain;

const MAX_LINES: usize = 500;
const REQUIRED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    ".ci/run",
];

/// Below a folder, no line may hold one of these.
struct Rule {
    under: &'static str,
    except: &'static [&'static str],
    forbidden: &'static [&'static str],
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        under: "observer/src/core/",
        except: &[],
        forbidden: &[
            "tokio::",
            "aya::",
            "kube::",
            "axum::",
            "std::fs",
            "Instant::now",
            "SystemTime::now",
            "Timestamp::now",
            "k8s_openapi",
        ],
        why: "core is pure: no I/O, no clock, no async",
    },
    Rule {
        under: "observer/src/sink/",
        except: &[],
        forbidden: &["crate::probes", "crate::cluster", "crate::netlink"],
        why: "sinks know outputs only",
    },
    Rule {
        under: "observer/src/http/",
        except: &[],
        forbidden: &["crate::probes", "crate::cluster", "crate::netlink"],
        why: "http reads what sinks hold",
    },
    Rule {
        under: "observer/src/",
        except: &["observer/src/cluster/"],
        forbidden: &["k8s_openapi"],
        why: "Kubernetes types stay inside cluster/",
    },
    Rule {
        under: "",
        except: &["observer-ebpf/src/", "observer/src/probes/", "tests/", "xtask/src/tidy.rs"],
        forbidden: &["unsafe {", "unsafe fn", "unsafe impl"],
        why: "unsafe only in the ABI, the probes, and the lab",
    },
];

/// Reports every breach, then fails if there was one.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut problems: Vec<String> =
        REQUIRED.iter().filter(|f| !root.join(f).exists()).map(|f| format!("{f} is missing")).collect();
    for file in tracked(root)? {
        let Ok(text) = fs::read_to_string(root.join(&file)) else { continue };
        problems.extend(check(&file.to_string_lossy(), &text));
    }
    for problem in &problems {
        complain(problem);
    }
    if !problems.is_empty() {
        bail!("tidy: {} problems", problems.len());
    }
    Ok(())
}

/// Files that git knows or would add.
fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let out = std::process::Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()?;
    if !out.status.success() {
        bail!("`git ls-files` failed: {}", String::from_utf8_lossy(&out.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&out.stdout)
        .split('\0')
        .filter(|f| !f.is_empty())
        .map(PathBuf::from)
        .collect())
}

fn check(file: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = text.lines().count();
    if file.ends_with(".rs") && lines > MAX_LINES {
        problems.push(format!("{file}: {lines} lines; past {MAX_LINES} a file holds more than one idea"));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        problems.push(format!("{file}: no newline at the end"));
    }
    for (number, line) in text.lines().enumerate() {
        let at = format!("{file}:{}", number + 1);
        if line.ends_with([' ', '\t']) && !file.ends_with(".snap") {
            problems.push(format!("{at}: white space at the end"));
        }
        if file.ends_with(".rs") && !line.trim_start().starts_with("//") {
            problems.extend(breaches(file, line).map(|(what, why)| format!("{at}: `{what}`: {why}")));
        }
    }
    problems
}

fn breaches<'a>(file: &'a str, line: &'a str) -> impl Iterator<Item = (&'static str, &'static str)> + 'a {
    let applies =
        move |rule: &&Rule| file.starts_with(rule.under) && !rule.except.iter().any(|e| file.starts_with(e));
    RULES
        .iter()
        .filter(applies)
        .flat_map(move |rule| rule.forbidden.iter().filter(|f| line.contains(**f)).map(|f| (*f, rule.why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_bites() {
        for (file, line) in [
            ("observer/src/core/a.rs", "use tokio::sync::mpsc;"),
            ("observer/src/core/a.rs", "let now = Timestamp::now();"),
            ("observer/src/sink/a.rs", "use crate::probes::load;"),
            ("observer/src/http/mod.rs", "use crate::netlink::links;"),
            ("observer/src/app.rs", "use k8s_openapi::api;"),
            ("observer/src/app.rs", "unsafe { x() }"),
            ("observer/src/app.rs", "let x = 1; "),
        ] {
            assert_eq!(check(file, &format!("{line}\n")).len(), 1, "{file}: {line}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (file, line) in [
            ("observer/src/cluster/pod.rs", "use k8s_openapi::api;"),
            ("observer/src/probes/drain.rs", "unsafe { x() }"),
            ("observer/src/core/a.rs", "// tokio::spawn would not do here"),
        ] {
            assert_eq!(check(file, &format!("{line}\n")), Vec::<String>::new());
        }
    }

    #[test]
    fn long_files_and_missing_newlines() {
        assert_eq!(check("a.rs", &"x\n".repeat(MAX_LINES + 1)).len(), 1);
        assert_eq!(check("a.rs", &"x\n".repeat(MAX_LINES)).len(), 0);
        assert_eq!(check("a.md", "x").len(), 1);
    }
}
