//! Requests and what is read of them.
