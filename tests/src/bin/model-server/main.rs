//! `model-server`: one simulated model server as a program of its own, for tests that need it in a process or
//! container of its own. It owns two arguments; everything else is the simulator's.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::ExitCode;

use e2e::backend::fast;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, name] = arguments.as_slice() else { return told("say an address and a name") };
    let listener = match TcpListener::bind(address) {
        Ok(listener) => listener,
        Err(error) => return told(&format!("{address}: {error}")),
    };
    let server = match model_sim::spawn_thread(listener, fast(name)) {
        Ok(server) => server,
        Err(error) => return told(&error.to_string()),
    };
    told(&format!("ready on {}", server.addr()));
    loop {
        std::thread::park();
    }
}

/// Says something; when it is the last thing, that something went wrong.
fn told(words: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "model-server: {words}");
    ExitCode::FAILURE
}
