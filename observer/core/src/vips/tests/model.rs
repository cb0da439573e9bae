//! Any claims at any times, against a model.

use proptest::prelude::*;

use super::*;

const VIPS: [&str; 3] = ["10.0.20.200", "10.0.20.201", "10.9.9.9"];
const HOSTS: [char; 5] = ['a', 'b', 'c', 'x', 'y'];

#[derive(Clone, Debug)]
struct Step {
    vip: usize,
    host: usize,
    how: usize,
    /// Milliseconds; clocks are set back.
    pass: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let pass = prop_oneof![8 => 0_i64..2_000, 1 => -4_000_000_i64..4_000_000];
    (0..VIPS.len(), 0..HOSTS.len(), 0..4_usize, pass).prop_map(|(vip, host, how, pass)| Step {
        vip,
        host,
        how,
        pass,
    })
}

proptest! {
    #[test]
    fn moves_are_changes_of_claimant_and_bounds_hold(steps in prop::collection::vec(step(), 0..300)) {
        let config = VipConfig { history: 5, ..VipConfig::default() };
        let mut scene = Scene::with(config);
        scene.inventory.services = vec![service(SERVICE, &VIPS[..2])];
        scene.apply();
        let mut last: [Option<usize>; 3] = [None; 3];
        let (mut moves, mut unclaimed, mut latest) = ([0_u64; 3], 0, 0);
        for step in steps {
            scene.now += step.pass;
            latest = latest.max(scene.now);
            scene.claim(VIPS[step.vip], &format!("{}{}", HOSTS[step.host], ["!", "=", "?", "6"][step.how]));
            scene.tick();
            if step.vip == 2 {
                unclaimed += 1;
                continue;
            }
            moves[step.vip] += u64::from(last[step.vip].is_some_and(|host| host != step.host));
            last[step.vip] = Some(step.host);
        }
        scene.now += 2_000;
        scene.tick();
        for (n, name) in VIPS.iter().enumerate().take(2) {
            let vip = scene.snapshot(name);
            prop_assert_eq!(vip.moves, moves[n]);
            prop_assert_eq!(vip.claimant.as_ref().map(|claim| claim.mac), last[n].map(|host| mac(HOSTS[host])));
            prop_assert!(vip.history.len() <= 5);
            prop_assert!(vip.history.windows(2).all(|pair| pair[0].mac != pair[1].mac));
        }
        let emitted = u64::try_from(scene.moves(ClaimSource::Wire)).unwrap();
        prop_assert_eq!(emitted, moves[0] + moves[1]);
        prop_assert!(scene.vips.moves_since(Timestamp::MIN).count() <= 10);
        let counted = scene.outputs.iter().filter(|output| matches!(output, Output::Unclaimed { .. })).count();
        prop_assert_eq!(counted, unclaimed);
        // Long after, nothing is active.
        scene.now = latest + 10_000_000;
        scene.tick();
        scene.now += 60_000;
        scene.tick();
        let ids: BTreeMap<_, _> = scene.emitted.iter().map(|(_, f)| (f.id.clone(), f.state)).collect();
        prop_assert!(ids.values().all(|state| *state == State::Resolved));
    }
}
