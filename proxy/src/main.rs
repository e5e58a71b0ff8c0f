//! The `sluicegate` binary: chooses allocator and crypto provider, then hands over to the library.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Two providers are compiled in through our dependencies; rustls panics unless one is named.
    let _ = rustls::crypto::ring::default_provider().install_default();
    sluicegate::cli::main()
}
