use proptest::prelude::*;

use super::*;
use crate::sink::testing::{pair, pod, service};

fn syn(n: i64) -> Counts {
    Counts { syn: n, ..Counts::default() }
}

fn client(n: u8) -> Endpoint {
    Endpoint { ip: [10, 42, 0, n].into(), ..pod("web", &format!("front-5d-{n}")) }
}

fn syns(table: &PairTable) -> Vec<i64> {
    table.snapshot().rows.iter().map(|row| row.counts.syn).collect()
}

proptest! {
    #[test]
    fn sums_stay_exact_whatever_is_evicted(updates: Vec<(u8, u8)>, max_rows in 1_usize..20) {
        let table = PairTable::new(max_rows);
        for (n, count) in &updates {
            table.update(pair(client(*n), service("data", "db"), syn((*count).into())));
        }
        let rows = table.snapshot();
        prop_assert!(rows.rows.len() <= max_rows);
        let sum = rows.rows.iter().map(|row| row.counts.syn).sum::<i64>() + rows.other.syn;
        prop_assert_eq!(sum, updates.iter().map(|(_, count)| i64::from(*count)).sum::<i64>());
    }
}

#[test]
fn the_row_updated_longest_ago_gives_way() {
    let table = PairTable::new(2);
    for (n, count) in [(1, 10), (2, 20), (1, 1), (3, 30)] {
        table.update(pair(client(n), service("data", "db"), syn(count)));
    }
    assert_eq!(syns(&table), [30, 11]);
    assert_eq!(table.snapshot().other, syn(20));
    table.update(pair(client(2), service("data", "db"), syn(-1)));
    assert_eq!(syns(&table), [30, 11], "no row is opened for what is taken back");
    assert_eq!(table.snapshot().other, syn(19));
}

#[test]
fn a_row_whose_counts_are_all_taken_back_goes() {
    let table = PairTable::new(9);
    table.update(pair(client(1), service("data", "db"), syn(2)));
    table.update(pair(client(1), service("data", "db"), syn(-2)));
    assert_eq!(table.snapshot(), PairRows::default());
}

#[test]
fn names_that_come_late_join_and_a_reused_address_does_not() {
    let table = PairTable::new(9);
    let db = pod("data", "db-0");
    let named = client(1);
    table.update(pair(Endpoint::bare(named.ip, 0), db.clone(), syn(1)));
    table.update(pair(named.clone(), db.clone(), syn(2)));
    assert_eq!(syns(&table), [3]);
    let successor = Endpoint { pod: Some("front-5d-9".into()), ..named };
    table.update(pair(successor, db, syn(4)));
    assert_eq!(syns(&table), [4, 3]);
}
