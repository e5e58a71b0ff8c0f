//! Standard error as a terminal, or not. It owns the redrawn block and the choice of colour; it refuses
//! to write to standard output, which belongs to results.

use std::env;
use std::io::{self, IsTerminal, Write};

use crossterm::cursor::{Hide, MoveToColumn, MoveUp, Show};
use crossterm::queue;
use crossterm::terminal::{self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};

use super::Line;

/// Width of lines where there is no terminal to ask.
const PAGE: usize = 160;

/// Standard error.
#[derive(Debug)]
pub(crate) struct Screen {
    live: bool,
    colour: bool,
    drawn: u16,
}

impl Screen {
    /// Looks at what standard error is. `plain` asks for lines without colour whatever it is.
    pub(crate) fn stderr(plain: bool) -> Self {
        let terminal = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        Self { live: terminal && !plain, colour: terminal && !plain && allows_colour(), drawn: 0 }
    }

    /// Whether a block can be redrawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live
    }

    /// Columns of a line.
    pub(crate) fn width(&self) -> usize {
        if self.live { terminal::size().map_or(80, |(columns, _)| usize::from(columns)) } else { PAGE }
    }

    /// Replaces the block drawn last by `lines`. A terminal that is too low shows the first of them.
    pub(crate) fn redraw(&mut self, lines: &[Line]) {
        let rows = terminal::size().map_or(24, |(_, rows)| usize::from(rows));
        let width = self.width();
        let shown = lines.get(..lines.len().min(rows.saturating_sub(1))).unwrap_or_default();
        let mut out = io::stderr().lock();
        // A terminal that cannot be written to has nobody to tell.
        let _ = queue!(out, BeginSynchronizedUpdate, Hide);
        self.rewind(&mut out);
        for line in shown {
            let _ = writeln!(out, "{}", line.render(width, self.colour));
        }
        let _ = queue!(out, Show, EndSynchronizedUpdate);
        let _ = out.flush();
        self.drawn = u16::try_from(shown.len()).unwrap_or(0);
    }

    /// Writes a line that stays, above the block.
    pub(crate) fn say(&mut self, line: &Line) {
        let width = if self.live { usize::MAX } else { self.width().max(line.width()) };
        let mut out = io::stderr().lock();
        self.rewind(&mut out);
        let _ = writeln!(out, "{}", line.render(width, self.colour));
        let _ = out.flush();
    }

    /// Takes the block away.
    pub(crate) fn clear(&mut self) {
        let mut out = io::stderr().lock();
        self.rewind(&mut out);
        let _ = out.flush();
    }

    fn rewind(&mut self, out: &mut impl Write) {
        if self.drawn > 0 {
            let _ = queue!(out, MoveUp(self.drawn), MoveToColumn(0), Clear(ClearType::FromCursorDown));
            self.drawn = 0;
        }
    }
}

/// The convention of no-color.org: any value but an empty one turns colour off.
fn allows_colour() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether standard output takes colour.
pub(crate) fn stdout_colour(plain: bool) -> bool {
    !plain && io::stdout().is_terminal() && allows_colour()
}
