//! The gateway and two model servers as containers on a network of their own, one of them frozen while
//! traffic flows. The image is made of the programs built here and the libraries they ask for: nothing is
//! pulled.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use e2e::binary::sluicegate;
use e2e::client::Client;
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::shared::missing;
use e2e::wait::{until_async, within};
use serde_json::json;
use tempfile::TempDir;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::{AsyncBuilder, AsyncRunner};
use testcontainers::{ContainerAsync, ContainerRequest, GenericBuildableImage, GenericImage, ImageExt};

const PORT: u16 = 8080;
/// Longer than anything here takes, except on a machine that is about to fail the test anyway.
const BUILD: Duration = Duration::from_secs(60);

fn docker_answers() -> bool {
    if std::env::var_os("DOCKER_HOST").is_some() {
        return true;
    }
    std::os::unix::net::UnixStream::connect("/var/run/docker.sock").is_ok()
}

/// `program` without what only a debugger reads; as it is when there is no `strip`.
fn stripped(program: &Path, folder: &TempDir) -> PathBuf {
    let small = folder.path().join(program.file_name().unwrap());
    let strip = Command::new("strip").arg("--strip-debug").arg("-o").arg(&small).arg(program).status();
    if strip.is_ok_and(|status| status.success()) { small } else { program.to_owned() }
}

/// The libraries the loader would load for `program`, the loader included, under the names it looks for.
fn libraries(program: &Path) -> BTreeSet<PathBuf> {
    let said = Command::new("ldd").arg(program).output().expect("ldd, which comes with the C library");
    let said = String::from_utf8(said.stdout).unwrap();
    said.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// An image with both programs at its root.
async fn image() -> Option<GenericImage> {
    let gateway = sluicegate()?;
    let server = gateway.with_file_name("model-server");
    if !server.exists() {
        missing("SLUICEGATE_REQUIRE_BINARIES", &format!("{} is not built", server.display()));
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut image = GenericBuildableImage::new("sluicegate-e2e", "live")
        .with_dockerfile_string("FROM scratch\nCOPY root/ /\n");
    for program in [&gateway, &server] {
        let name = program.file_name().unwrap().to_str().unwrap();
        image = image.with_file(stripped(program, &folder), format!("./root/{name}"));
    }
    let wanted: BTreeSet<_> =
        [&gateway, &server].into_iter().flat_map(|program| libraries(program)).collect();
    for library in wanted {
        // What the name leads to, under the name: links would be copied as links.
        let file = library.canonicalize().unwrap();
        image = image.with_file(file, format!("./root{}", library.display()));
    }
    Some(tokio::time::timeout(BUILD, image.build_image()).await.expect("an image in time").unwrap())
}

/// A network with two model servers.
struct Private {
    image: GenericImage,
    network: String,
}

impl Private {
    fn host(&self, name: &str) -> String {
        format!("{}-{name}", self.network)
    }

    fn on(&self, image: GenericImage, name: &str) -> ContainerRequest<GenericImage> {
        image.with_network(&self.network).with_container_name(self.host(name))
    }

    async fn server(&self, name: &str) -> ContainerAsync<GenericImage> {
        let image = self.image.clone().with_wait_for(WaitFor::message_on_stderr("model-server: ready"));
        let request = self.on(image, name).with_cmd(["/model-server", "0.0.0.0:8000", name]);
        within("a model server", request.start()).await.unwrap()
    }

    async fn gateway(&self, manifest: &str) -> ContainerAsync<GenericImage> {
        let image = self.image.clone().with_exposed_port(PORT.tcp());
        let image = image.with_wait_for(WaitFor::message_on_stderr("sluicegate: ready"));
        let request = self.on(image, "gateway").with_copy_to("/gateway.yaml", manifest.as_bytes().to_vec());
        let request = request.with_cmd(["/sluicegate", "run", "--manifest", "/gateway.yaml"]);
        within("the gateway", request.start()).await.unwrap()
    }
}

/// The backend that answered a request; every request must be answered.
async fn answered(client: &Client) -> String {
    let answer = client.chat(&chat("x")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-sluicegate-backend").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_container_that_is_frozen_under_load_costs_no_request() {
    if !docker_answers() {
        return missing("SLUICEGATE_REQUIRE_DOCKER", "no Docker daemon answers");
    }
    let begun = Instant::now();
    let Some(image) = image().await else { return };
    eprintln!("the image took {:?}", begun.elapsed());
    let private = Private { image, network: format!("sluicegate-e2e-{}", std::process::id()) };
    let (one, two) = tokio::join!(private.server("one"), private.server("two"));
    let mut manifest = Manifest::new()
        .set("/listeners/main/address", format!("0.0.0.0:{PORT}"))
        // A frozen server takes connections and requests and says nothing: only the operator knows that
        // asking another one is worth a second generation.
        .set("/pools/chat/retry", json!({"ambiguous": "always", "budget": "100%"}))
        .set("/pools/chat/ejection", json!({"consecutiveFailures": 3, "base": "2s"}));
    for name in ["one", "two"] {
        let url = format!("http://{}:8000", private.host(name));
        manifest = manifest
            .backend_of(name, "openai", &url)
            .member("chat", name)
            .set(&format!("/backends/{name}/timeouts/firstToken"), "1s");
    }
    let gateway = private.gateway(&manifest.text()).await;
    let port = gateway.get_host_port_ipv4(PORT.tcp()).await.unwrap();
    let client = Client::new(([127, 0, 0, 1], port).into());

    let (done, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let load = async || {
        while !done.load(Ordering::SeqCst) {
            answered(&client).await;
            served.fetch_add(1, Ordering::SeqCst);
        }
    };
    let freeze = async {
        until_async("traffic", async || (served.load(Ordering::SeqCst) > 20).then_some(())).await;
        two.pause().await.unwrap();
        let before = served.load(Ordering::SeqCst);
        until_async("traffic on one server", async || {
            (served.load(Ordering::SeqCst) > before + 100).then_some(())
        })
        .await;
        two.unpause().await.unwrap();
        let back = async || (answered(&client).await == "two/sim-chat").then_some(());
        until_async("the thawed server to serve again", back).await;
        done.store(true, Ordering::SeqCst);
    };
    tokio::join!(freeze, load(), load(), load());
    drop((one, gateway));
}
