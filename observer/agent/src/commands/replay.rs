//! `flow-observer replay`: a recording through the same engine, without a kernel or root.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use flow_core::engine::Engine;
use flow_core::recording::Reader;
use flow_model::output::Output;

use crate::client::print::record_lines::{RecordPrinter, RecordSink as _};
use crate::client::print::{PrintArgs, unless_closed};

/// Holds the options of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// File written by `run --record`
    recording: PathBuf,
    #[command(flatten)]
    print: PrintArgs,
}

/// Prints the flows of a recording. A damaged one is printed up to the damage and then reported as an error.
///
/// # Errors
/// Fails when the file is not a recording, or is damaged.
pub fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    let mut printer = RecordPrinter::new(args.print.printer());
    unless_closed(replay(args, &mut printer)).map(|()| ExitCode::SUCCESS)
}

fn replay<W: Write>(args: &ReplayArgs, printer: &mut RecordPrinter<W>) -> anyhow::Result<()> {
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
        Some(error) => {
            Err(error).with_context(|| format!("{path} is damaged; the flows before the damage are printed"))
        }
        None => Ok(()),
    }
}

fn print<W: Write>(engine: &mut Engine, printer: &mut RecordPrinter<W>) -> io::Result<()> {
    while let Some(output) = engine.next_output() {
        if let Output::Record(record) = output {
            printer.record(&record)?;
        }
    }
    Ok(())
}
