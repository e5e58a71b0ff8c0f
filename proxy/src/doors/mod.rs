//! What it takes to know callers while the gateway runs: keys that are issued, and the keys of issuers. It
//! owns fetching, keeping and sharing them; it refuses to judge a request (`decision` does).

mod document;
mod overlay;

pub(crate) use overlay::{Overlay, OverlayError};
