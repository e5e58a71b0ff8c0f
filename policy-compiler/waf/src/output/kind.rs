//! The kinds of active content and their names. It owns that list; it refuses to know how they look.

/// What can be found in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A `script` element.
    Script,
    /// An attribute that holds a script, such as `onerror`.
    EventHandler,
    /// A `javascript:` or `vbscript:` address.
    ScriptUrl,
    /// An element that shows another document: `iframe`, `object`, `embed` and their kin.
    Frame,
    /// An element that changes the whole page: `base`, `meta`, `link`, `style`.
    Document,
    /// A `form`, which sends what is typed into it elsewhere.
    Form,
    /// A `data:` address of a document that can hold scripts: HTML, XHTML, SVG, XML.
    DataDocument,
    /// An image whose address carries data: showing it sends them.
    ImageExfiltration,
    /// A link whose address carries much data: following it sends them.
    LinkExfiltration,
    /// A control sequence for a terminal (ECMA-48).
    TerminalEscape,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Script,
        Self::EventHandler,
        Self::ScriptUrl,
        Self::Frame,
        Self::Document,
        Self::Form,
        Self::DataDocument,
        Self::ImageExfiltration,
        Self::LinkExfiltration,
        Self::TerminalEscape,
    ];

    /// Its name, in kebab case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::EventHandler => "event-handler",
            Self::ScriptUrl => "script-url",
            Self::Frame => "frame",
            Self::Document => "document",
            Self::Form => "form",
            Self::DataDocument => "data-document",
            Self::ImageExfiltration => "image-exfiltration",
            Self::LinkExfiltration => "link-exfiltration",
            Self::TerminalEscape => "terminal-escape",
        }
    }
}
