use proptest::prelude::*;

use super::*;

fn refused(n: i64) -> [i64; 4] {
    [0, n, 0, 0]
}

fn shown(outcomes: &Outcomes) -> Vec<(&'static str, u64)> {
    let published = outcomes.published().into_iter();
    published.filter(|(o, ..)| *o == Outcome::Refused).map(|(_, v, n)| (v.as_str(), n)).collect()
}

#[test]
fn verdicts_have_series_of_their_own_and_a_refusal_has_its_zero() {
    let mut outcomes = Outcomes::default();
    assert_eq!(shown(&outcomes), []);
    outcomes.add(Decision::Unknown, [1, 0, 0, 0]);
    assert_eq!(shown(&outcomes), [("unknown", 0)]);
    outcomes.add(Decision::Allow, [1, 0, 0, 0]);
    assert_eq!(shown(&outcomes), [("allow", 0), ("deny", 0), ("unknown", 0)]);
    outcomes.add(Decision::Deny, refused(3));
    assert_eq!(shown(&outcomes), [("allow", 0), ("deny", 3), ("unknown", 0)]);
}

#[test]
fn a_correction_finds_what_it_corrects_whatever_the_policies_say_by_then() {
    let mut outcomes = Outcomes::default();
    outcomes.add(Decision::Allow, refused(2));
    outcomes.add(Decision::Deny, refused(-1));
    outcomes.add(Decision::Deny, refused(1));
    assert_eq!(shown(&outcomes), [("allow", 2), ("deny", 1)]);
    outcomes.add(Decision::Allow, refused(1));
    assert_eq!(shown(&outcomes), [("allow", 2), ("deny", 1)], "one was taken back");
}

#[test]
fn a_correction_that_comes_first_is_held_back() {
    let mut outcomes = Outcomes::default();
    outcomes.add(Decision::Unknown, refused(-2));
    outcomes.add(Decision::Deny, refused(3));
    assert_eq!(shown(&outcomes), [("deny", 1)]);
}

proptest! {
    #[test]
    fn nothing_published_goes_down_and_nothing_is_lost(steps: Vec<(u8, i8)>) {
        let (mut outcomes, mut sum, mut before) = (Outcomes::default(), 0_i64, [0; 3]);
        for (verdict, delta) in steps {
            outcomes.add(Decision::VARIANTS[usize::from(verdict % 3)], refused(delta.into()));
            sum += i64::from(delta);
            let now = outcomes.0[1].map(Monotone::get);
            prop_assert!(now.iter().zip(before).all(|(now, before)| *now >= before));
            prop_assert!(now.iter().sum::<u64>() >= sum.max(0).unsigned_abs());
            before = now;
        }
        // Whatever was held back is paid by later increments: sums are exact again.
        let published: u64 = before.iter().sum();
        let owed = i64::try_from(published).unwrap() - sum;
        for verdict in Decision::VARIANTS {
            outcomes.add(*verdict, refused(owed));
        }
        let after: u64 = outcomes.0[1].map(Monotone::get).iter().sum();
        prop_assert_eq!(i64::try_from(after).unwrap(), sum + 3 * owed);
    }
}
