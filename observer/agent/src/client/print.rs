//! The way in which commands print: the format and the colour are decided here, once for all of them.

pub(crate) mod answer_text;
pub(crate) mod finding_text;
pub(crate) mod memory_text;
pub(crate) mod record_lines;
pub(crate) mod table;
pub(crate) mod vip_table;

use std::fmt::{Display, Write as _};
use std::io::{self, BufWriter, Stdout, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::causes::causes;

/// Holds the printing options of a command. `F` lists the formats that the command can print.
#[derive(Args, Clone, Copy, Debug)]
pub struct PrintArgs<F = Format>
where
    F: ValueEnum + Default + Send + Sync + 'static,
{
    /// Output format
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value_t)]
    pub output: F,
    /// When to colour text; `auto` colours on a terminal unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// The formats that most commands print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Text,
    /// JSON as the API returns it, one object per line
    Json,
}

/// The formats of the commands that print what all agents know together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Text for people
    #[default]
    Text,
    /// JSON as the API returns it, one object per line
    Json,
    /// One JSON object: all of it, with the nodes that answered and those that are missing
    Document,
}

/// Decides when text is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

impl Color {
    /// Returns true when text on standard output is to be coloured.
    fn is_on(self) -> bool {
        match self {
            Self::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            Self::Always => true,
            Self::Never => false,
        }
    }
}

impl<F: ValueEnum + Default + Send + Sync + 'static> PrintArgs<F> {
    /// Returns standard output for writers that always emit styles: it removes them where colour is off.
    pub(crate) fn stream(&self) -> AutoStream<StdoutLock<'static>> {
        let choice = if self.color.is_on() { ColorChoice::Always } else { ColorChoice::Never };
        AutoStream::new(io::stdout(), choice).lock()
    }
}

impl PrintArgs {
    /// Returns a printer that writes to standard output.
    pub(crate) fn printer(&self) -> Printer<BufWriter<Stdout>> {
        Printer::new(self.output, self.color)
    }
}

impl PrintArgs<ListFormat> {
    /// Returns a printer that writes to standard output.
    pub(crate) fn printer(&self) -> Printer<BufWriter<Stdout>> {
        let format = match self.output {
            ListFormat::Text => Format::Text,
            ListFormat::Json | ListFormat::Document => Format::Json,
        };
        Printer::new(format, self.color)
    }
}

impl Printer<BufWriter<Stdout>> {
    fn new(format: Format, color: Color) -> Self {
        let look = Look { colour: color.is_on(), zone: TimeZone::system() };
        Self { out: BufWriter::new(io::stdout()), format, look }
    }
}

/// Holds what a text form needs to know about the terminal and its reader.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) colour: bool,
    pub(crate) zone: TimeZone,
}

impl Look {
    /// Returns `text` in this style, or unchanged where colour is off.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Returns date and time in the reader's time zone, to the second.
    pub(crate) fn time(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }
}

/// Prints values in the format that was asked for.
#[derive(Debug)]
pub(crate) struct Printer<W> {
    pub(crate) out: W,
    pub(crate) format: Format,
    pub(crate) look: Look,
}

impl<W: Write> Printer<W> {
    /// Prints one value as a line of JSON or as `text`.
    pub(crate) fn print<D: Display>(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce(&Look) -> D,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(value),
            Format::Text => write!(self.out, "{}", text(&self.look)),
        }
    }

    /// Prints one value as a line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> io::Result<()> {
        writeln!(self.out, "{}", serde_json::to_string(value)?)
    }

    /// Writes what is buffered.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns `text` without characters that a terminal would take for a command: names come over the network.
pub(crate) fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        out.write_char(if c.is_control() { '?' } else { c }).ok();
        out
    })
}

/// Returns a count with its noun, such as `2 warnings`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Treats a reader of standard output that went away, as `head` does, as success.
///
/// # Errors
/// Every other error of `result`.
pub(crate) fn unless_closed<T: Default>(result: anyhow::Result<T>) -> anyhow::Result<T> {
    match result {
        Err(error) if is_broken_pipe(&error) => Ok(T::default()),
        result => result,
    }
}

/// Returns true when the reader of the output went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints an error on standard error, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    let red = AnsiColor::Red.on_default();
    anstream::eprintln!("{red}error:{red:#} {}", causes(error.as_ref()));
}

/// Writes notes to standard error. Each task of a command has its own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Notes;

impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
pub(crate) mod testing;
