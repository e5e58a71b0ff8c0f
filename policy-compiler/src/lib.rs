#![doc = "Manifest to findings, or to a bundle."]
pub mod diagnostics;
pub mod manifest;
pub mod schema;
pub mod source;
