use rstest::rstest;

use super::*;

#[rstest]
#[case("http://vl:9428/insert/opentelemetry", "http://vl:9428/insert/opentelemetry/v1/logs")]
#[case("http://vl:9428/insert/opentelemetry/", "http://vl:9428/insert/opentelemetry/v1/logs")]
#[case("https://[2001:db8::1]", "https://[2001:db8::1]/v1/logs")]
fn a_base_url_gets_the_path_of_logs(#[case] base: &str, #[case] logs: &str) {
    assert_eq!(base.parse::<BaseUrl>().unwrap().logs().to_string(), logs);
}

#[test]
fn a_url_for_logs_stays_as_it_is() {
    let url: Url = "https://[2001:db8::1]:8443/logs?key=secret".parse().unwrap();
    assert_eq!((url.https, url.host.as_str(), url.port), (true, "2001:db8::1", 8443));
    assert_eq!((url.authority.as_str(), url.path.as_str()), ("[2001:db8::1]:8443", "/logs?key=secret"));
    assert_eq!(url.to_string(), "https://[2001:db8::1]:8443/logs", "messages leave the query out");
}

#[rstest]
#[case("vl:9428")]
#[case("grpc://vl:4317")]
#[case("http://user:password@vl")]
#[case("http://vl/?key=1")]
#[case("")]
fn other_texts_are_refused(#[case] text: &str) {
    assert_eq!(text.parse::<BaseUrl>(), Err(UrlError), "{text}");
}
