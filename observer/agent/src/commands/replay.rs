//! `flow-observer replay`: a recording through the same core, without a kernel or root.

use std::fs::File;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flow_core::engine::Engine;
use flow_core::recording::Reader;
use flow_model::output::Output;

use crate::commands::tail::{Color, Output as Format, Printer, is_broken_pipe};

/// Print the flows of a recording.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// File written by `run --record`
    recording: PathBuf,
    /// `json` prints one record a line, as the API does
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Colour the text: auto does on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Color,
}

/// Prints the flows; a damaged recording is read up to the damage, which ends with an error.
///
/// # Errors
/// When the file is not a recording, or is damaged.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    match replay(args, &mut Printer::stdout(args.output, args.color)) {
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

fn replay<W: Write>(args: &ReplayArgs, printer: &mut Printer<W>) -> anyhow::Result<()> {
    let path = args.recording.display();
    let file = File::open(&args.recording).with_context(|| format!("{path} can't be read"))?;
    let mut reader = Reader::open(BufReader::new(file)).with_context(|| path.to_string())?;
    let mut engine = Engine::new(reader.header().node.clone());
    let mut damage = None;
    for entry in &mut reader {
        match entry {
            Ok((time, input)) => engine.handle(input, time),
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
        print(&mut engine, printer)?;
    }
    engine.finish();
    print(&mut engine, printer)?;
    printer.flush()?;
    match damage {
        Some(error) => Err(error).with_context(|| format!("{path} is damaged; what came before is printed")),
        None => Ok(()),
    }
}

fn print<W: Write>(engine: &mut Engine, printer: &mut Printer<W>) -> std::io::Result<()> {
    while let Some(output) = engine.next_output() {
        if let Output::Record(record) = output {
            printer.record(&record)?;
        }
    }
    Ok(())
}
