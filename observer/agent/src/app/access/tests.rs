use rstest::rstest;

use super::*;
use crate::config::testing;

const LOOPBACK: &[&str] = &["127.0.0.1:9477", "127.8.8.8:1", "[::1]:9477", "[::ffff:127.0.0.1]:1"];
const OTHERS: &[&str] = &["0.0.0.0:9477", "[::]:9477", "10.0.0.1:9477", "[fe80::1]:9477"];

fn options(auth: AuthMode, cluster: ClusterSource, tokens: Option<&str>) -> Options {
    let token_file = tokens.map(Into::into);
    Options { auth, cluster, token_file, ..testing::options(&[]) }
}

fn name(guard: Result<Guard<'_>, AccessError>) -> &'static str {
    match guard {
        Ok(Guard::Everybody) => "everybody",
        Ok(Guard::Local) => "local",
        Ok(Guard::Kube) => "kube",
        Ok(Guard::Tokens(_)) => "tokens",
        Err(AccessError::Unguarded(_)) => "unguarded",
        Err(AccessError::NoTokens) => "no tokens",
        Err(AccessError::UnusedTokens(_)) => "unused tokens",
        Err(AccessError::HalfATls) => "half a TLS",
    }
}

#[rstest]
#[case(AuthMode::Auto, ClusterSource::None, None, "local", "unguarded")]
#[case(AuthMode::Auto, ClusterSource::Dir("/x".into()), None, "local", "unguarded")]
#[case(AuthMode::Auto, ClusterSource::Kube, None, "local", "kube")]
#[case(AuthMode::Auto, ClusterSource::None, Some("t"), "unused tokens", "tokens")]
#[case(AuthMode::Auto, ClusterSource::Kube, Some("t"), "unused tokens", "unused tokens")]
#[case(AuthMode::None, ClusterSource::Kube, None, "everybody", "everybody")]
#[case(AuthMode::None, ClusterSource::None, Some("t"), "unused tokens", "unused tokens")]
#[case(AuthMode::Kube, ClusterSource::None, None, "kube", "kube")]
#[case(AuthMode::Kube, ClusterSource::Kube, Some("t"), "unused tokens", "unused tokens")]
#[case(AuthMode::Token, ClusterSource::Kube, Some("t"), "tokens", "tokens")]
#[case(AuthMode::Token, ClusterSource::None, None, "no tokens", "no tokens")]
fn who_is_let_in(
    #[case] auth: AuthMode,
    #[case] cluster: ClusterSource,
    #[case] tokens: Option<&str>,
    #[case] on_loopback: &str,
    #[case] elsewhere: &str,
) {
    let options = options(auth, cluster, tokens);
    for (addresses, expected) in [(LOOPBACK, on_loopback), (OTHERS, elsewhere)] {
        for address in addresses {
            assert_eq!(name(guard(&options, address.parse().unwrap())), expected, "{address}");
        }
    }
}

#[test]
fn a_certificate_needs_its_key() {
    let cert = Options { tls_cert: Some("/c".into()), ..testing::options(&[]) };
    let key = Options { tls_key: Some("/k".into()), ..testing::options(&[]) };
    assert_eq!(
        (certificate(&cert), certificate(&key)),
        (Err(AccessError::HalfATls), Err(AccessError::HalfATls))
    );
    assert_eq!(certificate(&testing::options(&[])), Ok(None));
}

#[tokio::test]
async fn files_that_cant_be_used_are_named_at_the_start() {
    let listen = "10.0.0.1:9477".parse().unwrap();
    let tokens = options(AuthMode::Token, ClusterSource::None, Some("/nowhere/tokens"));
    let tls = Options {
        tls_cert: Some("/nowhere/cert".into()),
        tls_key: Some("/nowhere/key".into()),
        ..options(AuthMode::None, ClusterSource::None, None)
    };
    for (options, name) in [(tokens, "/nowhere/tokens"), (tls, "/nowhere/cert")] {
        let error = format!("{:#}", settings(&options, listen, &Api::default()).await.unwrap_err());
        assert!(error.contains(name), "{error}");
    }
}
