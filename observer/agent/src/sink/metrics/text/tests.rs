use super::*;

#[test]
fn counters_get_their_suffix_and_units_go() {
    let openmetrics = "# HELP a_b Some help.\n# TYPE a_b counter\na_b_total{x=\"# TYPE y counter\"} 1\n\
        # HELP g Gauge.\n# TYPE g gauge\n# UNIT g seconds\ng 1.5\n# EOF\n";
    let text = "# HELP a_b_total Some help.\n# TYPE a_b_total counter\na_b_total{x=\"# TYPE y counter\"} 1\n\
        # HELP g Gauge.\n# TYPE g gauge\ng 1.5\n# EOF\n";
    assert_eq!(from_openmetrics(openmetrics), text);
}

#[test]
fn openmetrics_is_for_those_who_ask() {
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
    assert_eq!(Format::from_accept(Some(prometheus)), Format::OpenMetrics);
    assert_eq!(Format::from_accept(Some("application/openmetrics-text;q=0, text/plain")), Format::Text);
    assert_eq!(Format::from_accept(Some("*/*")), Format::Text);
    assert_eq!(Format::from_accept(None), Format::Text);
}
