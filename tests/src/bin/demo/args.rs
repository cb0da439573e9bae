//! `demo [postgres|vip] [--keep] [--json]`

/// The incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Incident {
    /// A NetworkPolicy loses a namespace.
    #[default]
    Postgres,
    /// A load-balancer address flaps.
    Vip,
}

/// The command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) incident: Incident,
    /// Leave the lab running until a signal.
    pub(crate) keep: bool,
    /// Print NDJSON instead of prose.
    pub(crate) json: bool,
}

const USAGE: &str = "usage: demo [postgres|vip] [--keep] [--json]";

impl Args {
    /// Reads the command line. An error is the text to print.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut args = Self::default();
        for word in words {
            match word.as_str() {
                "postgres" => args.incident = Incident::Postgres,
                "vip" => args.incident = Incident::Vip,
                "--keep" => args.keep = true,
                "--json" => args.json = true,
                other => return Err(format!("demo: unknown argument `{other}`\n{USAGE}")),
            }
        }
        Ok(args)
    }
}

#[cfg(test)]
mod tests;
