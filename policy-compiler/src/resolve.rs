//! From names and texts to what they mean: names to definitions, URLs and addresses to parts, absent
//! fields to the defaults that depend on other fields. It owns those meanings; it refuses to report
//! (`check` does) and to assign ids (`lower` does).

mod address;
mod chains;
mod defaults;
mod headers;
mod matching;
mod names;
mod network;
mod places;
mod url;

pub(crate) use address::{address, covers};
pub(crate) use chains::Chains;
pub(crate) use defaults::{LEAKY_BUCKET_DEPTH, MAX_ATTEMPTS, default_scope, fill};
pub(crate) use headers::{Reserved, reserved};
pub(crate) use matching::{Fault, header_fault, host, matching, path};
pub(crate) use names::{Deployed, MemberFault, Names};
pub(crate) use network::network;
pub(crate) use places::{derived, place, region, regions, stands_in_its_region, written};
pub(crate) use url::{Endpoint, UrlFault, endpoint, is_host_name, is_loopback};
