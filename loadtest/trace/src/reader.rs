//! Reading a trace line by line. It owns the bounds on memory, the order of arrivals and the origin of
//! time; it refuses to skip a wrong line on its own: the caller may go on after an error, or stop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Entry;
use crate::access_log::AccessLog;
use crate::azure::Azure;
use crate::burstgpt::BurstGpt;
use crate::error::{Problem, TraceError};
use crate::format::{Format, detect};
use crate::mooncake::Mooncake;
use crate::plain::Plain;

#[cfg(test)]
mod tests;

/// Longest line taken, in bytes.
const LONGEST_LINE: u64 = 4 << 20;

/// Entries held back so that arrivals come out in order. An access log is written in order of
/// settlement, so an arrival may be as many lines late as requests were in flight.
const REORDERED: usize = 16_384;

/// A line of some format.
pub(crate) trait LineParser {
    /// The line's request, if it holds one.
    fn parse(&self, line: &str) -> Result<Option<Arrived>, Problem>;
}

/// An entry and its arrival on the trace's own clock.
pub(crate) struct Arrived {
    pub(crate) nanos: u64,
    pub(crate) entry: Entry,
}

/// A problem with JSON, in the words of its reader.
pub(crate) fn json_problem(error: &serde_json::Error, fix: &str) -> Problem {
    let text = error.to_string();
    // serde_json appends its own position, which is that within the one line it saw.
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let field = what.split('`').nth(1).filter(|_| what.starts_with("missing field"));
    Problem::new(field.map_or_else(|| error.column().to_string(), str::to_owned), what, fix)
}

/// An arrival held back, ordered by time and then by position in the file.
struct Held {
    nanos: u64,
    line: u64,
    entry: Entry,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        (self.nanos, self.line) == (other.nanos, other.line)
    }
}
impl Eq for Held {}
impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.nanos, self.line).cmp(&(other.nanos, other.line))
    }
}

/// The entries of a trace in order of arrival, the first at zero.
///
/// An error does not end the trace, unless the file itself cannot be read further: the next item is
/// that of the lines after.
pub struct Reader<R> {
    file: PathBuf,
    input: R,
    parser: Box<dyn LineParser + Send>,
    format: Format,
    line: u64,
    passed_over: u64,
    ended: bool,
    held: BinaryHeap<Reverse<Held>>,
    origin: Option<u64>,
    last: u64,
    first_line: Option<String>,
}

/// Opens a trace; its format is told by its first line unless given.
///
/// # Errors
/// When the file cannot be read, or its first line fits no format or not the one given.
pub fn open(path: &Path, format: Option<Format>) -> Result<Reader<BufReader<File>>, TraceError> {
    let file =
        File::open(path).map_err(|source| TraceError::Io { file: path.to_owned(), line: 0, source })?;
    read(path, BufReader::new(file), format)
}

/// Reads a trace from anywhere; `name` stands for the file in errors.
///
/// # Errors
/// As [`open`].
pub fn read<R: BufRead>(name: &Path, mut input: R, format: Option<Format>) -> Result<Reader<R>, TraceError> {
    let file = name.to_owned();
    let first = match next_line(&mut input) {
        Ok(line) => line.unwrap_or_default(),
        Err(LineError::Io(source)) => return Err(TraceError::Io { file, line: 0, source }),
        Err(LineError::Problem(problem)) => return Err(TraceError::Line { file, line: 1, problem }),
    };
    let Some(format) = format.or_else(|| detect(&first)) else {
        return Err(TraceError::UnknownFormat { file });
    };
    let parser: Result<Box<dyn LineParser + Send>, Problem> = match format {
        Format::Azure => Azure::new(&first).map(|parser| Box::new(parser) as _),
        Format::Plain => Plain::new(&first).map(|parser| Box::new(parser) as _),
        Format::BurstGpt => BurstGpt::new(&first).map(|parser| Box::new(parser) as _),
        Format::Mooncake => Ok(Box::new(Mooncake)),
        Format::AccessLog => Ok(Box::new(AccessLog)),
    };
    let parser = parser.map_err(|problem| TraceError::Line { file: file.clone(), line: 1, problem })?;
    // A CSV's first line is its header; a JSON trace's is its first entry.
    let first_line = matches!(format, Format::Mooncake | Format::AccessLog).then_some(first);
    Ok(Reader {
        file,
        input,
        parser,
        format,
        line: u64::from(first_line.is_none()),
        passed_over: 0,
        ended: false,
        held: BinaryHeap::new(),
        origin: None,
        last: 0,
        first_line,
    })
}

impl<R> Reader<R> {
    /// The format being read.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Lines so far that hold no request one can send again.
    #[must_use]
    pub const fn passed_over(&self) -> u64 {
        self.passed_over
    }
}

impl<R: BufRead> Reader<R> {
    /// Reads one line into the held entries; false at the end of the file.
    fn fill(&mut self) -> Result<bool, TraceError> {
        let text = match self.first_line.take() {
            Some(first) => Ok(Some(first)),
            None => next_line(&mut self.input),
        };
        let at_line = |line: u64, problem: Problem, file: &Path| TraceError::Line {
            file: file.to_owned(),
            line,
            problem,
        };
        let text = match text {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(false),
            Err(LineError::Io(source)) => {
                self.ended = true;
                return Err(TraceError::Io { file: self.file.clone(), line: self.line, source });
            }
            Err(LineError::Problem(problem)) => {
                self.line += 1;
                return Err(at_line(self.line, problem, &self.file));
            }
        };
        self.line += 1;
        if text.trim().is_empty() {
            return Ok(true);
        }
        let parsed = self.parser.parse(&text).map_err(|problem| at_line(self.line, problem, &self.file))?;
        let Some(Arrived { nanos, entry }) = parsed else {
            self.passed_over += 1;
            return Ok(true);
        };
        if nanos < self.last {
            let what = format!("it arrived before an entry more than {REORDERED} lines earlier");
            let problem = Problem::new("arrival", what, "sort the trace by time of arrival");
            return Err(at_line(self.line, problem, &self.file));
        }
        self.held.push(Reverse(Held { nanos, line: self.line, entry }));
        Ok(true)
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<Entry, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended && self.held.len() < REORDERED {
            match self.fill() {
                Ok(more) => self.ended = !more,
                Err(error) => return Some(Err(error)),
            }
        }
        let Reverse(held) = self.held.pop()?;
        self.last = held.nanos;
        let origin = *self.origin.get_or_insert(held.nanos);
        Some(Ok(Entry { at: Duration::from_nanos(held.nanos - origin), ..held.entry }))
    }
}

enum LineError {
    Io(std::io::Error),
    Problem(Problem),
}

/// The next line without its end; `None` at the end of the file. A line that is too long is passed over
/// without being held.
fn next_line(input: &mut impl BufRead) -> Result<Option<String>, LineError> {
    let mut bytes = Vec::new();
    let read = input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(LineError::Io)?;
    if read == 0 {
        return Ok(None);
    }
    if read as u64 == LONGEST_LINE && !bytes.ends_with(b"\n") {
        skip_line(input).map_err(LineError::Io)?;
        let what = format!("the line is longer than {} MiB", LONGEST_LINE >> 20);
        return Err(LineError::Problem(Problem::new("line", what, "check that this is a trace")));
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let what = format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1);
        LineError::Problem(Problem::new("line", what, "save the trace as UTF-8"))
    })
}

fn skip_line(input: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (used, done) = (end.map_or(buffer.len(), |end| end + 1), end.is_some() || buffer.is_empty());
        input.consume(used);
        if done {
            return Ok(());
        }
    }
}
