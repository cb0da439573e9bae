use serde_json::json;

use super::*;

fn alert(status: &str, vip: &str, began: &str) -> Value {
    json!({"status": status, "labels": {"alertname": "Flapping", "vip": vip}, "startsAt": began})
}

#[test]
fn an_alert_is_told_once_with_its_end_and_each_beginning() {
    let mut all = Vec::new();
    for alert in [
        alert("firing", "a", "1"),
        alert("firing", "a", "1"),
        alert("firing", "b", "2"),
        alert("resolved", "a", "1"),
        alert("firing", "a", "3"),
        alert("resolved", "b", "2"),
    ] {
        record(&mut all, &alert);
    }
    let seen: Vec<_> =
        all.iter().map(|alert| (alert.labels["vip"].as_str(), alert.began.len(), alert.is_over)).collect();
    assert_eq!(seen, [("a", 2, false), ("b", 1, true)]);
}
