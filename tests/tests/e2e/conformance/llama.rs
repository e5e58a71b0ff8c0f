//! A real llama.cpp server with a model of random weights: what it says means nothing, how it says it does.
//! `scripts/live-llama` builds the server, makes the model and starts this.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use e2e::backend::nobody;
use e2e::client::Client;
use e2e::gateway::TestGateway;
use e2e::shared::missing;
use e2e::wait::until_async;
use serde_json::json;
use tokio::process::{Child, Command};

use super::{Kind, manifest, suite};

/// The name of the tiny model; the server serves it whatever it is called.
const MODEL: &str = "tiny";

#[tokio::test(flavor = "multi_thread")]
async fn live_a_real_llama_cpp_server_passes_what_a_tiny_model_can_do() {
    let Some((server, model)) = offered() else { return };
    let python = suite::python().expect("an interpreter with the clients; `make live-llama` makes it");
    let address = nobody();
    let _running = start(server, model, address.port());
    until_listening(address).await;
    let manifest = manifest()
        .backend_of("llama-cpp", "llama-cpp", &format!("http://{address}"))
        .set("/backends/llama-cpp/models", json!({MODEL: {}}))
        .set("/pools/chat/members", json!(["llama-cpp"]));
    let gateway = TestGateway::start(&manifest).await;
    let mut kind = Kind::behind("llama-cpp", &gateway, MODEL, Some(MODEL));
    // Random weights end no turn and no string of a schema, call no tool and see nothing.
    kind.lacks =
        ["turns", "schema", "tools", "images", "reasoning", "files", "audio"].map(str::to_owned).into();
    println!("{}", suite::run(&python, &[kind], &[]).await);
}

fn offered() -> Option<(PathBuf, PathBuf)> {
    let file = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.exists());
    let both = file("LLAMA_SERVER").zip(file("LLAMA_MODEL"));
    if both.is_none() {
        missing(
            "SLUICEGATE_REQUIRE_LLAMA",
            "LLAMA_SERVER and LLAMA_MODEL name no files; see `make live-llama`",
        );
    }
    both
}

fn start(server: PathBuf, model: PathBuf, port: u16) -> Child {
    let mut command = Command::new(server);
    command.arg("--model").arg(model).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    // Both a chat and an embedding come out of the same model; two slots, so that a caller that left is
    // seen to free its own.
    command.args(["--ctx-size", "8192", "--parallel", "2", "--jinja", "--embeddings", "--pooling", "mean"]);
    command.args(["--threads", "1", "--no-webui"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().expect("the server starts")
}

async fn until_listening(address: std::net::SocketAddr) {
    until_async("the llama.cpp server", async || {
        tokio::time::sleep(Duration::from_millis(100)).await;
        tokio::net::TcpStream::connect(address).await.ok()?;
        (Client::new(address).get("/health").await.status == 200).then_some(())
    })
    .await;
}
