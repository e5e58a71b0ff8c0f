//! Active content in what a model wrote: scripts, handlers, frames, links that carry data out, terminal escapes. It
//! owns finding them and making them harmless, whole or in pieces; it refuses to be an HTML sanitiser.

mod address;
mod kind;
mod markup;
mod scan;
mod stream;

pub use kind::Kind;
pub use scan::Inspector;
pub use stream::OutputStream;

use std::ops::Range;

/// The most bytes an [`OutputStream`] keeps back while it cannot yet tell what they begin.
pub const HELD_AT_MOST: usize = crate::leak::cursor::WINDOW;

/// One thing found. It says where, never what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// Where, in bytes of the text (of the whole stream, for a stream).
    pub range: Range<usize>,
}

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether fenced code blocks are looked into too. A page that renders Markdown shows them as text; leave this
    /// off for one that does, and on where an answer becomes HTML as it is.
    pub code_blocks: bool,
    /// Hosts, with all below them, that images and links may send anything to.
    pub trusted_hosts: Vec<String>,
}

#[cfg(test)]
mod tests;
