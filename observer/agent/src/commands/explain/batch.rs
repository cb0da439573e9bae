//! Questions line by line, answered in the same order.

use std::io::{self, BufRead, BufReader, Read, Write};

use flow_model::decision::Decision;
use flow_policy::query::{MAX_LINE, Reply, reply};
use serde::Deserialize;

use crate::commands::explain::Source;

/// Most questions sent to an agent in one request: bytes and lines.
const CHUNK: (usize, usize) = (256 << 10, 1_000);

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Question(Vec<u8>),
    /// A line longer than [`MAX_LINE`]; it was skipped, so that memory stays bounded.
    TooLong,
}

/// Answers all questions. Returns true if a connection is denied. Answers are written as soon as no question waits.
///
/// # Errors
/// Fails when the input can't be read, the output can't be written, or the agent can't be asked.
pub(super) async fn run<R: Read>(
    source: &Source,
    mut input: BufReader<R>,
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut answers = Answers { out, denied: false };
    let mut chunk = Chunk::default();
    loop {
        let waiting = !input.buffer().is_empty();
        if !waiting || chunk.is_full() {
            chunk.ask(source, &mut answers).await?;
        }
        if !waiting {
            answers.out.flush()?;
        }
        match (next(&mut input)?, source) {
            (None, _) => break,
            (Some(Line::Question(line)), Source::Directory(explainer)) => {
                answers.write(&serde_json::to_string(&reply(explainer, &line))?)?;
            }
            (Some(Line::Question(line)), Source::Agent(_)) => chunk.add(&line),
            (Some(Line::TooLong), _) => {
                chunk.ask(source, &mut answers).await?;
                answers.write(&serde_json::to_string(&Reply::too_long())?)?;
            }
        }
    }
    chunk.ask(source, &mut answers).await?;
    answers.out.flush()?;
    Ok(answers.denied)
}

/// Writes answers, and remembers whether one is a denial.
struct Answers<'a, W> {
    out: &'a mut W,
    denied: bool,
}

#[derive(Deserialize)]
struct Decided {
    decision: Decision,
}

impl<W: Write> Answers<'_, W> {
    fn write(&mut self, line: &str) -> io::Result<()> {
        let Decided { decision } = serde_json::from_str(line)?;
        self.denied |= decision == Decision::Deny;
        writeln!(self.out, "{line}")
    }
}

/// Collects questions for one request to an agent.
#[derive(Default)]
struct Chunk {
    body: Vec<u8>,
    lines: usize,
}

impl Chunk {
    fn is_full(&self) -> bool {
        self.body.len() >= CHUNK.0 || self.lines >= CHUNK.1
    }

    fn add(&mut self, line: &[u8]) {
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
        self.lines += 1;
    }

    /// Sends the collected questions, if there are any.
    async fn ask(&mut self, source: &Source, answers: &mut Answers<'_, impl Write>) -> anyhow::Result<()> {
        let Source::Agent(agent) = source else { return Ok(()) };
        let Self { body, lines } = std::mem::take(self);
        if lines == 0 {
            return Ok(());
        }
        let mut stream = agent.ask_many(body.into()).await?;
        for n in 0..lines {
            match stream.next().await? {
                Some(line) => answers.write(&line)?,
                None => anyhow::bail!("{} answered only {n} of {lines} questions", agent.url()),
            }
        }
        Ok(())
    }
}

/// Returns the next line that is not blank. Memory stays bounded for lines of any length.
pub(super) fn next(input: &mut impl BufRead) -> io::Result<Option<Line>> {
    loop {
        let mut line = Vec::new();
        let limit = MAX_LINE as u64 + 1;
        if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() > MAX_LINE && !line.ends_with(b"\n") {
            input.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        let text = line.trim_ascii();
        if !text.is_empty() {
            return Ok(Some(Line::Question(text.to_vec())));
        }
    }
}
