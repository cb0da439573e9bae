use rstest::rstest;

use super::*;

fn parse(url: &str) -> Result<Target, ClientError> {
    // So that the test needs no CA of the system.
    let args = ConnectArgs { insecure_skip_tls_verify: true, ..ConnectArgs::default() };
    Target::new(url, &args)
}

#[rstest]
#[case("https://node1", "node1", 443, "")]
#[case("https://[::1]:9477/", "::1", 9477, "")]
#[case("http://127.0.0.1:9477", "127.0.0.1", 9477, "")]
#[case("http://[::1]:9477/", "::1", 9477, "")]
#[case("http://node1", "node1", 80, "")]
#[case("http://gateway/agents/node1/", "gateway", 80, "/agents/node1")]
fn urls(#[case] url: &str, #[case] host: &str, #[case] port: u16, #[case] base: &str) {
    let target = parse(url).unwrap();
    let Route::Tcp { host: have, port: at } = &target.route else { panic!("{target:?}") };
    assert_eq!((have.as_str(), *at, target.base.as_str()), (host, port, base));
}

#[rstest]
fn not_urls(
    #[values("", "127.0.0.1:9477", "wss://x", "http://", "http://u@x", "http://x?a=b", "ftp://x")] url: &str,
) {
    assert!(parse(url).unwrap_err().to_string().contains("is not a URL"));
}
