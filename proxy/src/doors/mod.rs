//! What it takes to know callers while the gateway runs: keys that are issued, and the keys of issuers. It
//! owns fetching, keeping and sharing them; it refuses to judge a request (`decision` does).

mod document;
mod fetch;
mod key_sets;
mod overlay;

pub use key_sets::KeySets;
pub(crate) use overlay::{Overlay, OverlayError, fresh_key, narrows};
