use super::*;

#[test]
fn only_a_401_is_about_the_agents_credentials() {
    for (code, refused) in [(401, true), (403, false), (404, false), (410, false), (500, false)] {
        let failure = Failure::of_status(code, None, None);
        assert_eq!(Stale::from(&failure).refused, refused, "{failure}");
    }
}
