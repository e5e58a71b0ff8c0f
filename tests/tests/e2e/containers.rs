//! The gateway and two model servers as containers on a network of their own, one of them frozen while
//! traffic flows. It owns that setting; what the image is made of is next door (`images`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use e2e::binary::sluicegate;
use e2e::client::Client;
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::shared::missing;
use e2e::wait::{until_async, within};
use serde_json::json;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use crate::images::{docker_answers, image_of};

const PORT: u16 = 8080;

/// An image with both programs at its root.
async fn image() -> Option<GenericImage> {
    let gateway = sluicegate()?;
    let server = gateway.with_file_name("model-server");
    if !server.exists() {
        missing("SLUICEGATE_REQUIRE_BINARIES", &format!("{} is not built", server.display()));
        return None;
    }
    Some(image_of("e2e", &[&gateway, &server]).await)
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
