//! `flow-observer replay`: a recording through the same core, without a kernel or root.

use std::fs::File;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;

use super::tail::print::{Format, Printer};
use crate::core::engine::Engine;
use crate::core::output::Output;
use crate::core::recording::Reader;

/// Print the flows of a recording.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// File written by `run --record`
    recording: PathBuf,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

/// Prints the flows; a damaged recording is read up to the damage, which ends with an error.
///
/// # Errors
/// When the file is not a recording, or is damaged.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let path = args.recording.display();
    let file = File::open(&args.recording).with_context(|| format!("{path} can't be read"))?;
    let mut reader = Reader::open(BufReader::new(file)).with_context(|| format!("{path}"))?;
    let mut engine = Engine::new(reader.header().node.clone());
    let mut printer = Printer::stdout(args.output);
    let mut damage = None;
    for entry in &mut reader {
        match entry {
            Ok((time, input)) => engine.handle(input, time),
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
        if !print(&mut engine, &mut printer)? {
            return Ok(ExitCode::SUCCESS);
        }
    }
    engine.finish();
    print(&mut engine, &mut printer)?;
    std::io::stdout().flush().ok();
    match damage {
        Some(error) => {
            Err(error).with_context(|| format!("{path} was read up to entry {}", reader.entries()))
        }
        None => Ok(ExitCode::SUCCESS),
    }
}

/// False when nobody reads any more.
fn print(engine: &mut Engine, printer: &mut Printer) -> anyhow::Result<bool> {
    while let Some(output) = engine.next_output() {
        if let Output::Record(record) = output
            && !printer.record(&record)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}
