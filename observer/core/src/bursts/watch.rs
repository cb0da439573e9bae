//! The state that is kept of one server.

use std::collections::VecDeque;
use std::net::IpAddr;

use flow_model::flow::{Phase, ResetCause, Side};
use flow_model::record::Endpoint;
use jiff::{SignedDuration, Timestamp};

use crate::bursts::cause::Scene;
use crate::bursts::rate::Rate;
use crate::bursts::server::Client;
use crate::facts::ResetFacts;

/// The largest number of clients that are distinguished within a window.
const MAX_CLIENTS: usize = 32;
/// The number of the newest resets that are kept as evidence.
const MAX_EXAMPLES: usize = 5;
/// The largest number of Services, and of namespaces, that are kept per server.
const MAX_NAMES: usize = 16;

/// Watches one server that resets, or whose connections are reset.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) rate: Rate,
    clients: Vec<(IpAddr, Timestamp)>,
    pub(super) examples: VecDeque<Example>,
}

#[derive(Clone, Debug)]
pub(super) struct Example {
    pub(super) time: Timestamp,
    pub(super) src: Endpoint,
    pub(super) dst: Endpoint,
    pub(super) by: Side,
    pub(super) phase: Phase,
    pub(super) cause: Option<ResetCause>,
}

/// The number of clients, as far as they are distinguished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    /// Its name, or its address where it has none.
    One(String),
    Some(usize),
    Many(usize),
}

impl Watch {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, clients: Vec::new(), examples: VecDeque::new() }
    }

    pub(super) fn add(&mut self, facts: &ResetFacts<'_>, at: Timestamp) {
        let reset = facts.reset;
        self.rate.add(at, reset.phase);
        self.client(reset.src.ip.to_canonical(), at);
        if self.examples.len() == MAX_EXAMPLES {
            self.examples.pop_front();
        }
        self.examples.push_back(Example {
            time: at,
            src: reset.src.clone(),
            dst: reset.dst.clone(),
            by: reset.by,
            phase: reset.phase,
            cause: reset.cause,
        });
    }

    pub(super) fn clients(&self, now: Timestamp, window: SignedDuration) -> Clients {
        let recent = |(_, seen): &&(IpAddr, Timestamp)| now.duration_since(*seen) < window;
        let count = self.clients.iter().filter(recent).count();
        match (count, self.clients.iter().find(recent)) {
            (1, Some((ip, _))) => Clients::One(self.name(*ip)),
            (MAX_CLIENTS.., _) => Clients::Many(MAX_CLIENTS - 1),
            (count, _) => Clients::Some(count),
        }
    }

    /// Returns the client's name, or its address if the newest resets have no name for it.
    fn name(&self, ip: IpAddr) -> String {
        let mut newest = self.examples.iter().rev();
        let of_it = newest.find(|example| example.src.ip.to_canonical() == ip);
        of_it
            .and_then(|example| Client::of(&example.src))
            .map_or_else(|| ip.to_string(), |client| client.name())
    }

    /// Returns where to look for causes, according to the newest resets.
    pub(super) fn scene(&self) -> Scene {
        let mut scene = Scene { untranslated: self.untranslated(), ..Scene::default() };
        for Example { src, dst, .. } in &self.examples {
            note(&mut scene.services, dst.service.as_ref());
            note(&mut scene.namespaces, dst.namespace.as_ref());
            note(&mut scene.namespaces, src.namespace.as_ref());
            note(&mut scene.namespaces, dst.service.as_ref().map(|service| &service.namespace));
        }
        scene
    }

    /// Returns what connection tracking did to most of the newest resets, and when it did so last.
    fn untranslated(&self) -> Option<(ResetCause, Timestamp)> {
        let told = self.examples.iter().filter_map(|example| Some((example.cause?, example.time)));
        let newest = told.clone().next_back()?;
        (told.count() * 2 > self.examples.len()).then_some(newest)
    }

    /// Forgets all times: the clock was set.
    pub(super) fn restart(&mut self, now: Timestamp) {
        self.rate.restart(now);
        self.clients.clear();
    }

    fn client(&mut self, ip: IpAddr, at: Timestamp) {
        if let Some((_, seen)) = self.clients.iter_mut().find(|(known, _)| *known == ip) {
            *seen = at.max(*seen);
        } else if self.clients.len() < MAX_CLIENTS {
            self.clients.push((ip, at));
        } else if let Some(oldest) = self.clients.iter_mut().min_by_key(|(_, seen)| *seen) {
            *oldest = (ip, at);
        }
    }
}

fn note<T: Clone + PartialEq>(names: &mut Vec<T>, name: Option<&T>) {
    if let Some(name) = name.filter(|name| names.len() < MAX_NAMES && !names.contains(*name)) {
        names.push(name.clone());
    }
}
