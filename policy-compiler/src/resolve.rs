//! From names and texts to what they mean: names to definitions, URLs and addresses to parts, absent
//! fields to the defaults that depend on other fields. It owns those meanings; it refuses to report
//! (`check` does) and to assign ids (`lower` does).

mod address;
mod defaults;
mod matching;
mod names;
mod url;

pub(crate) use address::{address, covers};
pub(crate) use defaults::{LEAKY_BUCKET_DEPTH, fill};
pub(crate) use matching::{header_fault, host, matching, path};
pub(crate) use names::{Deployed, MemberFault, Names};
pub(crate) use url::{UrlFault, endpoint, is_loopback};
