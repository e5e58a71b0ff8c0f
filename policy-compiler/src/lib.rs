//! Manifest to findings, or to a bundle.
