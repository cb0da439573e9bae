//! The error of the probes.

/// An error between the agent and the kernel's eBPF.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The object could not be loaded at all.
    #[error("loading the eBPF object failed: {0}")]
    Load(#[from] aya::EbpfError),
    /// A program is missing from the object, or has another type: a build error.
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
        /// The kernel's answer.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// Attaching to an interface failed.
    #[error("attaching to {interface} failed: {source}")]
    Attach {
        /// Name of the interface.
        interface: String,
        /// The kernel's answer.
        #[source]
        source: Box<aya::programs::ProgramError>,
    },
    /// Another qdisc has the place of clsact.
    #[error(
        "{interface} has an `ingress` qdisc, as of the CNI bandwidth plugin, in the place of clsact: connections of its \
         pod are not seen there. Linux 6.6 and later need no such place (--attach tcx)"
    )]
    PlaceTaken {
        /// Name of the interface.
        interface: String,
    },
    /// A map operation failed.
    #[error("map {name}: {source}")]
    Map {
        /// Name of the map.
        name: &'static str,
        /// The kernel's answer.
        #[source]
        source: Box<aya::maps::MapError>,
    },
    /// Nothing can be pinned.
    #[error("nothing can be pinned in {}: {source}", dir.display())]
    Pins {
        /// The directory of the setting.
        dir: std::path::PathBuf,
        /// The error.
        #[source]
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{what}: {source}")]
    System {
        /// The operation that was tried.
        what: &'static str,
        /// The error.
        #[source]
        source: std::io::Error,
    },
}

impl ProbeError {
    /// Names the program that an error is about.
    pub(super) fn program(name: &'static str) -> impl FnOnce(aya::programs::ProgramError) -> Self {
        move |source| Self::Program { name, source: Box::new(source) }
    }

    /// Names the map that an error is about.
    pub(super) fn map(name: &'static str) -> impl Fn(aya::maps::MapError) -> Self {
        move |source| Self::Map { name, source: Box::new(source) }
    }

    /// Names what was tried when a system call failed.
    pub(super) fn system(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }
}
