//! The userspace half of the probes: loads the programs, attaches them to interfaces as they come and go, and turns
//! what the maps and the ring hold into inputs of the engine.
#![expect(clippy::module_name_repetitions, reason = "`Probes` is the name of the thing")]

pub mod accept_queues;
mod attach;
mod batch;
pub mod btf;
mod bypass;
mod claims;
mod classifier;
mod clock;
mod collecting;
mod collector;
mod convert;
mod drain;
mod drops;
mod error;
mod established;
mod faults;
mod flows;
mod following;
mod grace;
mod held_resets;
mod hidden;
mod hooks;
pub mod host;
mod journal;
mod kernel_log;
mod load;
mod maps;
mod namespaces;
mod owners;
pub mod pins;
mod poll;
mod ports;
mod reasons;
mod reset_reasons;
mod ring;
mod settings;
mod sweep;
mod sys;
mod tasks;
mod tcx;
mod transit_resets;
mod turnover;
mod unattributed;
mod unrecorded;
mod vips;

pub use attach::{AttachMode, Attacher, remove_filters};
pub use claims::NewestClaims;
pub use classifier::Classifier;
pub use collector::Collector;
pub use error::ProbeError;
pub use established::Followed;
pub use flows::{Flows, seed};
pub use hidden::OwnPods;
pub use hooks::{AddHandshakes, Blind, Complete, Counted, HandOver, Hooks, Publish};
pub use journal::JournalSettings;
pub use load::{Loaded, load};
pub use ports::Ports;
pub use ring::RingReader;
pub use settings::Settings;
pub use tasks::spawn;
pub use unrecorded::ClaimCounts;
pub use vips::Vips;

pub use observer_abi::{MAX_MERGED, MAX_SINGLES, MORE_SINGLES};
