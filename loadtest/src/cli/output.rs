//! Results on standard output. It owns the two forms; it refuses to mix progress into them.

use std::io::{self, Write};

use super::target::Output;
use crate::Error;
use crate::load::Report;
use crate::terminal::{render_report, stdout_colour};

/// Prints `report`.
pub(super) fn print(report: &Report, form: Output, plain: bool) -> Result<(), Error> {
    let text = match form {
        Output::Table => render_report(report, stdout_colour(plain)),
        Output::Json => {
            let json = serde_json::to_string_pretty(report);
            json.map_err(|error| Error::Internal(format!("the report could not be written: {error}")))? + "\n"
        }
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever closed the pipe has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}
