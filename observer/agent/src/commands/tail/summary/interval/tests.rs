use super::*;
use crate::client::print::testing::look;
use crate::sink::testing::{at, attempt, external, host, pod, reset, service};

fn interval(records: impl IntoIterator<Item = FlowRecord>) -> Over {
    let mut interval = Interval::new(at(0));
    records.into_iter().for_each(|record| interval.add(&record));
    interval.end(at(10))
}

fn from(vantage: Vantage, record: FlowRecord) -> FlowRecord {
    let mut record = record;
    if let Event::Attempt(attempt) = &mut record.event {
        attempt.vantage = vantage;
    }
    record
}

#[test]
fn pairs_are_listed_by_attempts() {
    let (front, db) = (pod("web", "front-5d-1"), service("data", "db"));
    let over = interval([
        attempt(1, front.clone(), external(), Outcome::Established),
        attempt(2, front.clone(), db.clone(), Outcome::Refused),
        attempt(3, pod("web", "front-5d-2"), db.clone(), Outcome::Unanswered),
        reset(4, front, db),
        attempt(5, host("node1"), external(), Outcome::Rejected),
    ]);
    let text = Text { interval: &over, look: &look(false) }.to_string();
    assert_eq!(
        text,
        "2026-11-18 11:06:40 to 2026-11-18 11:06:50: 3 pairs\n\
         FROM        TO            ATTEMPTS  ESTABLISHED  REFUSED  REJECTED  UNANSWERED  RESETS  DROPS\n\
         web/front   data/db:5432  2         0            1        0         1           1       0\n\
         node node1  1.1.1.1:443   1         0            0        1         0           0       0\n\
         web/front   1.1.1.1:443   1         1            0        0         0           0       0\n"
    );
}

#[test]
fn an_attempt_that_two_nodes_see_counts_once() {
    let attempt = || attempt(1, pod("web", "front-5d-1"), external(), Outcome::Established);
    let over = interval([from(Vantage::Source, attempt()), from(Vantage::Destination, attempt())]);
    assert_eq!(over.pairs[0].counts, Counts { attempts: 1, established: 1, ..Counts::default() });
}

#[test]
fn a_record_of_several_attempts_counts_as_all_of_them() {
    let mut several = attempt(1, pod("web", "front-5d-1"), external(), Outcome::Established);
    if let Event::Attempt(attempt) = &mut several.event {
        attempt.count = 400;
    }
    let over = interval([several, attempt(2, pod("web", "front-5d-1"), external(), Outcome::Refused)]);
    let counts = Counts { attempts: 401, established: 400, refused: 1, ..Counts::default() };
    assert_eq!(over.pairs[0].counts, counts);
}

#[test]
fn many_pairs_are_cut() {
    let target = |port| Endpoint { port, ..external() };
    let records = (0..12_000).map(|n| attempt(1, pod("web", "scan"), target(n), Outcome::Refused));
    let lost = flow_model::record::Lost { lost: 3, stage: "client".into() };
    let lost = FlowRecord { time: at(2), node: "node1".into(), event: Event::Lost(lost) };
    let over = interval(records.chain([lost]));
    assert_eq!((over.pairs.len(), over.other_pairs, over.uncounted, over.lost), (10, 9_990, 2_000, 3));
    let text = Text { interval: &over, look: &look(false) }.to_string();
    assert!(
        text.lines()
            .next()
            .unwrap()
            .ends_with(": 10000 pairs, 2000 records of further pairs, 3 records lost")
    );
    assert!(text.ends_with("and 9990 more\n"), "{text}");
}

#[test]
fn as_json_it_is_one_flat_object() {
    let over = interval([attempt(1, pod("web", "front-5d-1"), external(), Outcome::Refused)]);
    let json = serde_json::to_value(&over).unwrap();
    assert_eq!((&json["pairs"][0]["refused"], &json["pairs"][0]["to"]), (&1.into(), &"1.1.1.1:443".into()));
    assert_eq!((&json["begin"], &json["other_pairs"]), (&at(0).to_string().into(), &0.into()));
}

#[test]
fn an_interval_without_records_is_a_line() {
    let text = Text { interval: &interval([]), look: &look(false) }.to_string();
    assert!(text.ends_with(": 0 pairs\n") && text.lines().count() == 1, "{text}");
}
