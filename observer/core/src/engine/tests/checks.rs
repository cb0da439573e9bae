use flow_model::input::{CheckResult, CheckStep};
use flow_model::record::Check;

use super::*;

fn result(dst: &str, failed: Option<(CheckStep, ArcStr)>) -> CheckResult {
    let service = Some("postgres/pg".into());
    CheckResult { time: at(5), name: "lock".into(), service, tuple: tuple(dst), failed, duration_us: 1_500 }
}

/// The record and the count of one result.
fn reported(result: CheckResult) -> (Check, (ArcStr, Option<CheckStep>, u64)) {
    let mut engine = Engine::new("n1");
    engine.handle(cluster(), at(0));
    let handled = |engine: &mut Engine| std::iter::from_fn(|| engine.next_output()).collect::<Vec<_>>();
    handled(&mut engine);
    engine.handle(Input::Check(result), at(6));
    match &handled(&mut engine)[..] {
        [Output::Check { name, step, duration_us }, Output::Record(record)] => {
            assert_eq!((record.time, record.node.as_str()), (at(5), "n1"));
            let Event::Check(check) = &record.event else { panic!("{record:?}") };
            (check.clone(), (name.clone(), *step, *duration_us))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_check_is_a_record_with_names_and_a_count() {
    let (check, count) = reported(result("10.43.0.9", None));
    assert_eq!(count, ("lock".into(), None, 1_500));
    assert_eq!((check.ok, check.step, check.error, check.duration_us), (true, None, None, 1_500));
    assert_eq!(check.src.pod.as_deref(), Some("docs-1"));
    assert_eq!(check.src.port, 40_000);
    assert_eq!(check.dst.service, Some("postgres/pg".into()));
    assert_eq!(check.dst.workload.as_deref(), Some("pg"));
}

#[test]
fn a_failure_names_its_step_and_a_service_without_an_address() {
    let failed = Some((CheckStep::Connect, "there is no Service postgres/pg".into()));
    let (check, count) = reported(result("0.0.0.0", failed));
    assert_eq!(count, ("lock".into(), Some(CheckStep::Connect), 1_500));
    assert_eq!((check.ok, check.step), (false, Some(CheckStep::Connect)));
    assert_eq!(check.error.as_deref(), Some("there is no Service postgres/pg"));
    assert_eq!(check.dst.service, Some("postgres/pg".into()));
}
