//! Fakes and an in-process gateway for the end-to-end tests.
