//! Losses leave the engine as outputs, so that each has a series.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use flow_model::connection::MAX_CONNECTIONS;
use flow_model::input::OpenConnection;

use super::*;

fn lost(engine: &mut Engine, stage: LostStage) -> u64 {
    let outputs = std::iter::from_fn(|| engine.next_output());
    let counts = outputs.map(|output| match output {
        Output::Lost { stage: of, count } if of == stage => count,
        _ => 0,
    });
    counts.sum()
}

#[test]
fn vips_that_are_not_followed_are_lost() {
    let extra: BTreeSet<IpAddr> = (1..=5).map(|n| [10, 0, 20, n].into()).collect();
    let vips = VipConfig { extra, max: 3, ..VipConfig::default() };
    let mut engine = Engine::configured("n1", EngineConfig { vips, ..EngineConfig::default() });
    engine.handle(Input::Tick, at(0));
    assert_eq!(lost(&mut engine, LostStage::Vips), 2);
    engine.handle(Input::Tick, at(1));
    assert_eq!(lost(&mut engine, LostStage::Vips), 0);
}

#[test]
fn connections_that_find_no_room_are_lost() {
    let opened = (0..MAX_CONNECTIONS + 7).map(|n| OpenConnection {
        tuple: FlowTuple {
            src: Ipv4Addr::from_bits(0x0a2a_0000 + u32::try_from(n).unwrap()).into(),
            sport: 40_000,
            dst: [10, 42, 0, 12].into(),
            dport: 5432,
            backend: None,
        },
        seen: at(0),
        older: false,
    });
    let mut engine = Engine::new("n1");
    engine.handle(Input::Connections { opened: opened.collect(), closed: vec![] }, at(0));
    assert_eq!(lost(&mut engine, LostStage::Connections), 7);
    engine.handle(Input::Tick, at(1));
    assert_eq!(lost(&mut engine, LostStage::Connections), 0);
}
