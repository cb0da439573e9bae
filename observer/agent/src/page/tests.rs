use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;

use super::{FILES, TAGS, file, index};

/// The limit holds for the files as they are, so it holds for compressed ones, too.
#[test]
fn the_page_is_small() {
    let size: usize = FILES.iter().map(|file| file.bytes.len()).sum();
    assert!(size < 100_000, "{size} bytes");
    assert!(FILES.iter().all(|file| !file.bytes.is_empty()));
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = std::str::from_utf8(FILES[0].bytes).unwrap();
    let links = page.split(['"', ' ']).filter(|word| word.contains('/') && !word.contains('<'));
    let links: Vec<_> = links.filter(|word| word.starts_with('/') || word.contains("//")).collect();
    assert!(links.len() >= 3 && links.iter().all(|link| link.starts_with("/ui/")), "{links:?}");
    assert!(!page.contains("<script>") && !page.contains("<style") && !page.contains(" on"), "{page}");
}

/// Names of pods come from packets and objects, so they must never be parsed as markup.
#[test]
fn the_script_writes_text_only() {
    let script = std::str::from_utf8(FILES[1].bytes).unwrap();
    for writer in [".outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
        assert!(!script.contains(writer), "{writer}");
    }
}

#[test]
fn a_known_file_is_not_sent_again() {
    let fresh = file("app.js", &HeaderMap::new()).unwrap();
    assert_eq!(fresh.status(), 200);
    assert_eq!(fresh.headers()["etag"], TAGS[1].as_str());
    for (known, status) in [
        (TAGS[1].clone(), 304),
        (format!("W/{}", TAGS[1]), 304),
        (format!("\"old\", {}", TAGS[1]), 304),
        ("\"old\"".to_owned(), 200),
    ] {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, known.parse().unwrap())]);
        assert_eq!(file("app.js", &headers).unwrap().status(), status, "{known}");
    }
}

#[test]
fn every_file_has_the_policy_and_no_other_exists() {
    for answer in FILES.iter().map(|one| file(one.name, &HeaderMap::new()).unwrap()) {
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
    assert_eq!(index(&HeaderMap::new()).headers()["content-type"], "text/html; charset=utf-8");
    for other in ["", "../Cargo.toml", "index", "app.js/", "APP.JS"] {
        assert!(file(other, &HeaderMap::new()).is_none(), "{other}");
    }
}
