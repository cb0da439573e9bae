//! The kernel side's userspace half: load, attach to interfaces as they come and go, and turn what the
//! maps and the ring hold into core inputs.
#![expect(clippy::module_name_repetitions, reason = "`Probes` is the name of the thing")]

pub mod attach;
mod batch;
pub mod btf;
mod clock;
mod convert;
mod drain;
mod held;
pub mod host;
mod load;
mod memory;
mod open;
mod reasons;
mod ring;
mod seed;
#[cfg(test)]
mod stack;
mod sweep;
mod tasks;
pub mod test_run;
mod vips;

pub use attach::{AttachMode, Attacher};
pub use load::{Loaded, Settings, load};
pub use memory::{give_back, share_heap};
pub use open::Open;
pub use tasks::{Complete, Hooks, spawn};
pub use vips::{ClaimCounts, Vips};

/// What can go wrong between us and the kernel.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The object could not be loaded at all.
    #[error("loading the eBPF object failed: {0}")]
    Load(#[from] aya::EbpfError),
    /// A program is missing from the object, or of another type: a build error.
    #[error("the eBPF object has no program `{0}`")]
    NoProgram(&'static str),
    /// A map is missing from the object: a build error.
    #[error("the eBPF object has no map `{0}`")]
    NoMap(&'static str),
    /// The verifier or the kernel refused a program.
    #[error("the kernel refused program `{name}`: {source}")]
    Program {
        /// Name of the program.
        name: &'static str,
        /// What the kernel said.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// Attaching to an interface failed.
    #[error("attaching to {interface} failed: {source}")]
    Attach {
        /// Name of the interface.
        interface: String,
        /// What the kernel said.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// A map operation failed.
    #[error("map {name}: {source}")]
    Map {
        /// Name of the map.
        name: &'static str,
        /// What the kernel said.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The error.
        #[source]
        source: std::io::Error,
    },
}

impl ProbeError {
    fn program(name: &'static str) -> impl FnOnce(aya::programs::ProgramError) -> Self {
        move |source| Self::Program { name, source: Box::new(source) }
    }

    fn map(name: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { name, source: Box::new(source) }
    }
}
