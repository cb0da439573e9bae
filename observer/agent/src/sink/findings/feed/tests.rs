use flow_model::output::Output;

use crate::sink::testing::{at, finding};
use crate::sink::{SinkConfig, Sinks};

#[test]
fn a_full_queue_is_counted_and_an_absent_reader_is_not() {
    let (mut sinks, shared) = Sinks::new(&SinkConfig::new("node1".into()));
    let lost = || {
        let text = shared.metrics.encode(crate::sink::metrics::Format::Text).unwrap();
        let line = text.lines().find(|line| line.contains("stage=\"kube_events\"")).unwrap();
        line.rsplit(' ').next().unwrap().to_owned()
    };
    let mut findings = sinks.feed_findings(2);
    for second in 0..5 {
        sinks.emit(Output::Finding(finding("a", second).into()), at(second));
    }
    assert_eq!(lost(), "3");
    assert_eq!(findings.try_recv().unwrap().last_seen, at(0));
    assert_eq!(findings.try_recv().unwrap().last_seen, at(1));
    assert!(findings.try_recv().is_err());
    drop(findings);
    sinks.emit(Output::Finding(finding("a", 9).into()), at(9));
    assert_eq!(lost(), "3");
}
