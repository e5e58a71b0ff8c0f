//! What people see: lines with colour, a block that redraws itself, and tables. It owns when colour and
//! redrawing are right; it refuses to compute figures.

mod figures;
mod line;
mod progress;
mod screen;
mod summary;

pub(crate) use figures::{count, money, percent, seconds};
pub(crate) use line::{Line, Tone, bar};
pub(crate) use progress::{LOOK, Progress};
pub(crate) use screen::{Screen, stdout_colour};
pub(crate) use summary::{render as render_report, table};
