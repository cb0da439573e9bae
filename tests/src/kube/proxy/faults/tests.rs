use super::*;

#[test]
fn faults_strike_what_they_are_for() {
    let faults = Arc::new(Faults::default());
    let request = |path: &str, watch| Asked { path: path.to_owned(), watch };
    let on = On::path("/pods").watches().times(1);
    let injected = Faults::inject(&faults, on, Fault::Cut);
    assert_eq!(faults.befalls(&request("/api/v1/pods", false), Stage::Body), None);
    assert_eq!(faults.befalls(&request("/api/v1/nodes", true), Stage::Body), None);
    assert_eq!(faults.befalls(&request("/api/v1/pods", true), Stage::Request), None);
    assert_eq!(injected.hits(), 0);
    assert_eq!(faults.befalls(&request("/api/v1/pods", true), Stage::Body), Some(Fault::Cut));
    assert_eq!(faults.befalls(&request("/api/v1/pods", true), Stage::Body), None, "once is enough");
    assert_eq!(injected.hits(), 1);
    drop(injected);
    let _lists = Faults::inject(&faults, On::all().lists(), Fault::Status(429, Some(1)));
    assert_eq!(faults.befalls(&request("/x", true), Stage::Request), None);
    assert_eq!(faults.befalls(&request("/x", false), Stage::Request), Some(Fault::Status(429, Some(1))));
}
