use super::*;

#[test]
fn addresses_and_localhost_are_local() {
    for name in [
        "localhost",
        "LOCALHOST:9477",
        "a.localhost",
        "localhost.:1",
        "127.0.0.1",
        "10.0.0.1:80",
        "[::1]:9477",
    ] {
        assert!(is_local(name), "{name}");
    }
    for name in
        ["", "example.org", "localhost.example.org:9477", "127.0.0.1.example.org", "mylocalhost", "a b"]
    {
        assert!(!is_local(name), "{name}");
    }
}

#[test]
fn one_foreign_name_is_enough() {
    let denied = |hosts: &[&str], uri: &str| {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        check(&headers, &uri.parse().unwrap()).err()
    };
    let foreign = |name: &str| Some(Denial::ForeignHost(name.into()));
    assert_eq!(denied(&[], "/api/v1/flows"), None);
    assert_eq!(denied(&["localhost"], "/api/v1/flows"), None);
    assert_eq!(denied(&["localhost", "evil.test"], "/api/v1/flows"), foreign("evil.test"));
    assert_eq!(denied(&["localhost"], "http://evil.test/api/v1/flows"), foreign("evil.test"));
    let long = format!("{}.test", "a".repeat(400));
    assert_eq!(denied(&[&long], "/").map(|denial| format!("{denial:?}").len() < 200), Some(true));
}
