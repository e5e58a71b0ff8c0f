//! Figures that tests measured, for the page of them in the documentation. It owns writing one down where
//! somebody collects them; it refuses to judge (the test has done that) and to lay out the page.

use std::fmt::Display;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Names the folder that figures are collected in.
pub const FOLDER: &str = "SLUICEGATE_FIGURES";

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figure {
    /// Where on the page it stands.
    pub subject: String,
    /// What was done.
    pub what: String,
    /// What came of it.
    pub figure: String,
}

/// Writes a figure down, where figures are collected.
///
/// # Panics
/// When the folder cannot be written.
pub fn note(subject: &str, what: &str, figure: impl Display) {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let figure = Figure { subject: subject.to_owned(), what: what.to_owned(), figure: figure.to_string() };
    let name: String = format!("{subject} {what}")
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' })
        .take(100)
        .collect();
    std::fs::create_dir_all(&folder).expect("the folder of figures");
    let text = serde_json::to_string(&figure).expect("plain data");
    std::fs::write(Path::new(&folder).join(name + ".json"), text).expect("the folder of figures");
}

/// Everything noted in `folder`, by subject.
///
/// # Panics
/// When it cannot be read, or holds something else.
#[must_use]
pub fn noted(folder: &Path) -> Vec<Figure> {
    let entries = std::fs::read_dir(folder).expect("the folder of figures");
    let mut figures: Vec<Figure> = entries
        .map(|entry| {
            let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a figure");
            serde_json::from_str(&text).expect("a figure")
        })
        .collect();
    figures.sort();
    figures
}
