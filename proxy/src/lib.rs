//! The running gateway and its command line.
