//! Moves and flaps.

use rstest::rstest;

use super::*;

fn every(seconds: f64, until: f64, word: &str) -> String {
    let times = (0..).map(|n| f64::from(n) * seconds).take_while(|time| *time <= until);
    times.map(|time| format!("{time} {word};")).collect()
}

#[rstest]
#[case::metallb_reconciles_again_and_again(every(2.0, 100.0, "a*"))]
#[case::kube_vip_for_ever(every(3.0, 900.0, "a!"))]
#[case::one_who_answers(every(0.7, 60.0, "a?"))]
fn repeated_announcements_are_no_moves(#[case] script: String) {
    let mut scene = Scene::new();
    scene.play(&script);
    assert_eq!((scene.moves(ClaimSource::Wire), scene.announcements().len()), (0, 1));
    assert_eq!(scene.changes(), Vec::<String>::new());
    let claimant = scene.snapshot(VIP).claimant.unwrap();
    assert_eq!((claimant.node.as_deref(), claimant.since), (Some("node-a"), at(0.0)));
    assert!(claimant.last_seen >= at(50.0), "that it is still there is reported");
}

#[test]
fn a_flap_says_what_it_did() {
    let mut scene = Scene::new();
    scene.play("0 a*; 10 b*; 20 a*; 30 b*");
    let vip = ip(VIP);
    for seconds in [9.9, 10.0, 10.5, 12.0, 12.1, 30.5] {
        scene.vips.reset(vip, at(seconds));
    }
    scene.vips.reset(ip("10.0.20.9"), at(10.0));
    scene.play("31 b*");
    let summary = &scene.last(FindingKind::VipFlap).summary;
    assert!(
        summary.ends_with("moved node-a <-> node-b 3 times in 5 min; 4 resets of open connections followed within 2 s of a move"),
        "{summary}"
    );
}

#[test]
fn a_move_is_recorded_with_both_hosts() {
    let mut scene = Scene::new();
    scene.play("0 b*; 60 c*");
    let [first, moved] = scene.announcements()[..] else { panic!("{:?}", scene.announcements()) };
    assert_eq!(
        (first.r#move, first.claimant.as_deref(), first.previous.as_deref()),
        (false, Some("node-b"), None)
    );
    assert_eq!((moved.r#move, moved.claimant.as_deref()), (true, Some("node-c")));
    assert_eq!((moved.previous.as_deref(), &moved.services[..]), (Some("node-b"), &[SERVICE.into()][..]));
    let vip = scene.snapshot(VIP);
    assert_eq!((vip.moves, vip.history.len(), vip.claimant.as_ref()), (1, 2, vip.history.last()));
    let moves: Vec<&Move> = scene.vips.moves_since(at(60.0)).collect();
    assert_eq!(
        (moves.len(), moves[0].from.to_string(), moves[0].to.to_string(), moves[0].at),
        (1, "node-b".to_owned(), "node-c".to_owned(), at(60.0))
    );
    assert_eq!(scene.vips.moves_since(at(60.1)).count(), 0);
    assert_eq!(scene.changes(), Vec::<String>::new());
}

#[test]
fn late_frames_of_the_old_owner_are_neither_flap_nor_conflict() {
    let mut scene = Scene::new();
    scene.play("0 a*; 20 b*; 20.05 a!; 20.06 b!; 20.1 a=; 20.12 b=; 40 c*; 40.1 b!; 40.15 c!");
    assert_eq!(scene.moves(ClaimSource::Wire), 8, "each change of claimant is counted");
    assert_eq!(scene.changes(), Vec::<String>::new());
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().mac, mac('c'));
}

#[test]
fn a_flap_names_the_vip_the_nodes_and_the_sequence() {
    let mut scene = Scene::new();
    scene.play("0 a!; 10 b!; 20 a!; 30 b!; 31");
    assert_eq!(scene.changes(), ["30.5 vip_flap"]);
    scene.play("40 a!; 50 b!; 60 a!; 70 b!; 72");
    let flap = scene.last(FindingKind::VipFlap);
    assert_eq!(flap.summary, "10.0.20.200 (dbaas/postgresql-lb) moved node-a <-> node-b 7 times in 5 min");
    assert_eq!((flap.count, flap.severity, flap.vip.as_deref()), (7, Severity::Warning, Some(VIP)));
    assert_eq!(flap.evidence[0].time, at(10.0));
    assert_eq!(
        texts(flap)[..2],
        ["node-a -> node-b (MAC 02:00:00:00:00:62)", "node-b -> node-a (MAC 02:00:00:00:00:61)"]
    );
    let dst = flap.dst.as_ref().unwrap();
    assert_eq!(
        (dst.service.clone(), dst.namespace.as_deref(), dst.port),
        (Some(SERVICE.into()), Some("dbaas"), 5432)
    );
    scene.play("361");
    assert_eq!(scene.changes(), ["30.5 vip_flap", "350.5 vip_flap over"], "two are left in the window");
    let because = scene.last(FindingKind::VipFlap).ended_because.as_deref();
    assert_eq!(because, Some("fewer than 3 moves in 5 min"));
}

#[test]
fn three_hosts_and_one_nobody_knows() {
    let mut scene = Scene::new();
    scene.play("0 a!; 10 b!; 20 x!; 30 c!; 31");
    let flap = scene.last(FindingKind::VipFlap);
    let who = "node-a, node-b, MAC 02:00:00:00:00:78 and node-c";
    assert_eq!(
        flap.summary,
        format!("10.0.20.200 (dbaas/postgresql-lb) moved between {who} 3 times in 5 min")
    );
    assert_eq!(scene.announcements()[2].claimant, None);

    scene.vips.neighbours(&[(node_ip('b'), mac('x'))], &[mac('a')]);
    scene.play("33");
    assert_eq!(scene.snapshot(VIP).history[2].node.as_deref(), Some("node-b"), "named once it is known");
    assert_eq!(scene.snapshot(VIP).history[1].node.as_deref(), Some("node-b"), "its old one is remembered");
}

#[test]
fn nodes_and_neighbours_come_in_any_order() {
    let mut scene = Scene::new();
    scene.inventory.nodes.clear();
    scene.apply();
    scene.play("0 b!; 1");
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node, None);
    scene.inventory.nodes.push(node('b'));
    scene.apply();
    scene.play("3");
    assert_eq!(scene.snapshot(VIP).claimant.unwrap().node.as_deref(), Some("node-b"));
}

#[test]
fn a_node_that_claims_its_own_address_does_not_move_it() {
    let mut scene = Scene::new();
    let home = node_ip('b').to_string();
    scene.inventory.services = vec![service("web/lb", &[&home])];
    scene.apply();
    for host in ["b?", "x!", "b!", "x?"] {
        scene.claim(&home, host);
    }
    assert_eq!((scene.moves(ClaimSource::Wire), scene.announcements().len()), (0, 1));
    scene.claim(&home, "c!");
    assert_eq!(scene.moves(ClaimSource::Wire), 1, "another node that claims it does");
}

#[test]
fn addresses_of_version_6_move_too() {
    let mut scene = Scene::new();
    scene.inventory.services = vec![service("web/lb", &["fd00::200"])];
    scene.apply();
    scene.claim("fd00::200", "a6");
    scene.claim("fd00::200", "b6");
    assert_eq!((scene.moves(ClaimSource::Wire), scene.announcements().len()), (1, 2));
    assert_eq!(scene.snapshot("fd00::200").services, ["web/lb"]);
}

#[test]
fn a_shared_vip_moves_for_each_service_and_services_come_and_go() {
    let mut scene = Scene::new();
    scene.inventory.services =
        vec![service(SERVICE, &[VIP, VIP]), service("dbaas/other", &[VIP]), service("web/none", &[])];
    scene.apply();
    assert_eq!(scene.vips.known(), BTreeSet::from([ip(VIP)]));
    scene.play("0 a!; 10 b!; 20 a!; 30 b!; 31");
    assert_eq!(scene.moves(ClaimSource::Wire), 6);
    let summary = &scene.last(FindingKind::VipFlap).summary;
    assert!(summary.starts_with("10.0.20.200 (dbaas/other, dbaas/postgresql-lb) moved"), "{summary}");

    scene.inventory.services.clear();
    scene.apply();
    scene.play("33");
    assert!(scene.outputs.contains(&Output::VipGone(ip(VIP))) && scene.vips.known().is_empty());
    assert_eq!(scene.changes(), ["30.5 vip_flap", "32 vip_flap over"]);
    scene.claim(VIP, "a!");
    assert_eq!(scene.outputs.last(), Some(&Output::Unclaimed { count: 1 }));
}

#[test]
fn a_clock_that_jumps_neither_hides_moves_nor_keeps_a_flap() {
    let mut scene = Scene::new();
    scene.play("7200 a!; 7210 b!; 7220 a!; 7230 b!; 7231");
    assert_eq!(scene.changes(), ["7230.5 vip_flap"]);
    scene.now = 0;
    scene.tick();
    assert_eq!(scene.changes().len(), 2, "what lies an hour ahead is not in the window");
    scene.play("10 a!; 20 b!; 30 a!; 31");
    assert_eq!(scene.moves(ClaimSource::Wire), 6);
    assert_eq!(scene.changes().len(), 3);
}

#[test]
fn the_operator_names_vips_without_services_and_groups_are_no_claimants() {
    let extra = BTreeSet::from([ip("10.0.20.9")]);
    let mut scene = Scene::with(VipConfig { extra, max: 1, ..VipConfig::default() });
    assert_eq!(scene.vips.known(), BTreeSet::from([ip("10.0.20.9")]));
    let lost = Output::Lost { stage: LostStage::Vips, count: 1 };
    assert_eq!(scene.outputs.iter().filter(|output| **output == lost).count(), 1);
    scene.claim("10.0.20.9", "a!");
    let seen = AnnouncementSeen {
        time: at(1.0),
        ip: ip("10.0.20.9"),
        mac: Mac([0xff; 6]),
        how: Announced::Arp,
        outbound: false,
    };
    scene.vips.announcement(&seen);
    scene.claim("10.0.20.9", "b!");
    let moved = Output::VipMoved { vip: ip("10.0.20.9"), service: None, source: ClaimSource::Wire };
    assert_eq!(scene.outputs.iter().filter(|output| **output == moved).count(), 1);
}

#[test]
fn each_vip_that_is_not_followed_is_lost_once_while_it_stays_out() {
    let mut scene = Scene::with(VipConfig { max: 1, ..VipConfig::default() });
    let lost = |scene: &mut Scene, vips: &[&str]| {
        scene.outputs.clear();
        scene.inventory.services = vec![service(SERVICE, vips)];
        scene.apply();
        let lost = scene.outputs.iter().map(|output| match output {
            Output::Lost { stage: LostStage::Vips, count } => *count,
            _ => 0,
        });
        lost.sum::<u64>()
    };
    assert_eq!(lost(&mut scene, &["10.0.20.1"]), 0);
    assert_eq!(lost(&mut scene, &["10.0.20.1", "10.0.20.2", "10.0.20.3"]), 2);
    assert_eq!(lost(&mut scene, &["10.0.20.1", "10.0.20.2", "10.0.20.3"]), 0);
    assert_eq!(lost(&mut scene, &["10.0.20.1", "10.0.20.3", "10.0.20.4"]), 1);
    assert_eq!(lost(&mut scene, &["10.0.20.3"]), 0);
}
