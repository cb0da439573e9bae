use rstest::rstest;

use super::*;

#[rstest]
#[case("postgres", "namespace postgres")]
#[case("redis/cache:6379", "redis/cache:6379")]
#[case("redis/cache", "redis/cache")]
#[case("redis:6379", "namespace redis on port 6379")]
fn entries(#[case] entry: &str, #[case] expected: &str) {
    let uses: Vec<_> = declared(entry).map(|entry| entry.map(|entry| entry.to_string())).collect();
    assert_eq!(uses, [Ok(expected.to_owned())]);
}

#[test]
fn several_entries_and_some_that_are_none() {
    let uses: Vec<_> = declared(" postgres,redis/cache:6379 , Postgres, a:0 a:b a/b/c, -a").collect();
    let wrong: Vec<_> = uses.iter().filter_map(|entry| entry.as_ref().err().copied()).collect();
    assert_eq!(wrong, ["Postgres", "a:0", "a:b", "a/b/c", "-a"]);
    assert_eq!(uses.iter().filter(|entry| entry.is_ok()).count(), 2);
}

#[rstest]
#[case("postgresql+asyncpg://u:p@rw.postgres.svc.cluster.local:5432/docs", Some("postgres/rw:5432"))]
#[case("http://api.web.svc", Some("web/api"))]
#[case("cache-0.cache.redis.svc:6379", Some("redis/cache:6379"))]
#[case("--upstream=dns:///grpc.back.svc.cluster.local.:443", Some("back/grpc:443"))]
#[case("svc", None)]
#[case("a.svc", None)]
#[case("example.org:443", None)]
#[case("A.b.svc", None)]
fn names_in_texts(#[case] text: &str, #[case] finds: Option<&str>) {
    let found: Vec<_> = inferred(text).map(|found| found.to_string()).collect();
    assert_eq!(found, finds.into_iter().collect::<Vec<_>>());
}

#[test]
fn several_names_in_one_text() {
    let found: Vec<_> = inferred("a.x.svc:1,b.y.svc:2").map(|found| found.to_string()).collect();
    assert_eq!(found, ["x/a:1", "y/b:2"]);
}
