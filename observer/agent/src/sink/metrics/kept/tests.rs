use super::*;

const TEXT: &str = "\
# HELP lost Lost.
# TYPE lost counter
lost_total{stage=\"a b\"} 3
lost_total{stage=\"ring\"} 1
# HELP open Open.
# TYPE open gauge
open 5
# HELP took Took.
# TYPE took histogram
took_sum 0.5
took_count 2
took_bucket{le=\"0.1\"} 1
took_bucket{le=\"+Inf\"} 2
";

#[test]
fn counters_and_histograms_go_on_and_gauges_do_not() {
    let kept = Samples::default().after(TEXT);
    let text = kept.add_to(TEXT);
    for line in [
        "lost_total{stage=\"a b\"} 6",
        "lost_total{stage=\"ring\"} 2",
        "open 5",
        "took_sum 1",
        "took_bucket{le=\"+Inf\"} 4",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} in {text}");
    }
    assert_eq!(text.lines().count(), TEXT.lines().count());
}

#[test]
fn nothing_is_added_at_first() {
    assert_eq!(Samples::default().add_to(TEXT), TEXT);
}

#[test]
fn what_is_not_published_now_is_handed_on() {
    let kept = Samples::default().after(TEXT);
    let (before, _) = TEXT.split_once("# HELP took").unwrap();
    let handed_on = kept.after(&kept.add_to(before));
    let text = handed_on.add_to(TEXT);
    assert!(text.contains("lost_total{stage=\"ring\"} 3\n"), "added up over both: {text}");
    assert!(text.contains("took_count 4\n"), "{text}");
}
