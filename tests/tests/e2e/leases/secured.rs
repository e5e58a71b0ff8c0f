//! A Redis that asks who is there: over TLS, with a password, with a user who may do no more than the manual
//! says is needed.

use e2e::backend::{FakeBackend, Reply};
use e2e::gateway::chat;
use e2e::manifest::Manifest;
use e2e::tls::Authority;
use e2e::wait::until_async;
use serde_json::json;

use super::replica::{Replica, limited};
use crate::redis::{RedisServer, Wanted};

const PASSWORD: &str = "correct-horse-battery";

/// What a user of the server needs, as docs/replicas.md lists it.
fn documented_commands() -> Vec<String> {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/replicas.md"));
    let begin = page.find("of the server needs the commands").expect("the list");
    let list = &page[begin..begin + page[begin..].find("on them").expect("its end")];
    list.split('`').skip(1).step_by(2).map(|name| format!("+{}", name.to_lowercase())).collect()
}

async fn backend() -> FakeBackend {
    FakeBackend::always(Reply::completion("ok")).await
}

fn shared(server: &RedisServer, backend: &FakeBackend) -> Manifest {
    limited(server, backend.address(), json!({"requests": "1000 requests/day"}))
}

/// Waits until a shared limit is served: there is a lease, so the store answered.
async fn is_served(replica: &Replica) {
    until_async("a lease", async || (replica.client.chat(&chat("x")).await.status == 200).then_some(()))
        .await;
}

/// Every request is refused for want of the store.
async fn is_refused(replica: &Replica) {
    for _ in 0..5 {
        let answer = replica.client.chat(&chat("x")).await;
        assert_eq!((answer.status, answer.error_code().as_str()), (503, "store_unavailable"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_redis_with_tls_is_believed_when_its_authority_is_trusted_and_not_else() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let leaf = authority.sign();
    let options = [
        "--tls-cert-file",
        "server.pem",
        "--tls-key-file",
        "server.key",
        "--tls-ca-cert-file",
        "ca.pem",
        "--tls-auth-clients",
        "no",
    ];
    let files = [("server.pem", leaf.pem()), ("server.key", leaf.key_pem()), ("ca.pem", authority.pem())];
    let wanted = Wanted {
        tls: true,
        options: options.map(str::to_owned).to_vec(),
        files: files.map(|(name, text)| (name.to_owned(), text.into_bytes())).to_vec(),
        ..Wanted::default()
    };
    let Some(server) = RedisServer::start_as(wanted).await else { return };
    let backend = backend().await;
    let manifest = shared(&server, &backend);
    let roots = tempfile::tempdir().unwrap();
    for (name, authority, trusted) in [("ours", &authority, true), ("theirs", &stranger, false)] {
        let file = roots.path().join(name);
        std::fs::write(&file, authority.pem()).unwrap();
        let variables = vec![("SSL_CERT_FILE", file.display().to_string())];
        let Some(replica) = Replica::start_with(&manifest, &[], variables).await else { return };
        if trusted {
            is_served(&replica).await;
        } else {
            is_refused(&replica).await;
        }
    }
    let plain = manifest.set("/store/shared/redis/url", format!("redis://{}", server.address));
    is_refused(&Replica::start(&plain).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_user_of_redis_needs_the_commands_in_the_manual_and_no_other() {
    let mut options: Vec<String> =
        ["--user", "gateway", "on", ">correct-horse-battery", "~{sluicegate}:*", "-@all"]
            .map(str::to_owned)
            .to_vec();
    options.extend(documented_commands());
    options.extend(["--requirepass".to_owned(), "of-the-default-user".to_owned()]);
    let Some(server) = RedisServer::start_as(Wanted { options, ..Wanted::default() }).await else { return };
    let backend = backend().await;
    let manifest = shared(&server, &backend).set("/store/shared/redis/auth", json!({"file": "redis-auth"}));
    let right = format!("gateway:{PASSWORD}");
    let Some(one) = Replica::start_with(&manifest, &[("redis-auth", right.as_bytes())], vec![]).await else {
        return;
    };
    is_served(&one).await;
    // Two replicas see each other's leases and the board: every script has run.
    let two = Replica::start_with(&manifest, &[("redis-auth", right.as_bytes())], vec![]).await.unwrap();
    is_served(&two).await;
    let denied = server.command("AUTH of-the-default-user\r\nACL LOG").await;
    assert!(denied.ends_with("*0\r\n+OK\r\n"), "something was denied: {denied}");
    for (name, auth) in [("wrong", "gateway:guessed"), ("nobody", "stranger:guessed"), ("alone", "guessed")] {
        let replica =
            Replica::start_with(&manifest, &[("redis-auth", auth.as_bytes())], vec![]).await.unwrap();
        is_refused(&replica).await;
        assert!(!replica.program.said().contains("guessed"), "{name}: {}", replica.program.said());
    }
    assert!(!one.program.said().contains(PASSWORD), "{}", one.program.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn live_a_rotated_password_of_redis_is_read_when_it_connects_again() {
    let options = ["--requirepass", PASSWORD].map(str::to_owned).to_vec();
    let Some(server) = RedisServer::start_as(Wanted { options, ..Wanted::default() }).await else { return };
    let backend = backend().await;
    let manifest = shared(&server, &backend)
        .set("/store/shared/redis/auth", json!({"file": "redis-auth"}))
        .set("/limits/joint/requests", "1000000 requests/s");
    let files: [(&str, &[u8]); 1] = [("redis-auth", PASSWORD.as_bytes())];
    let Some(replica) = Replica::start_with(&manifest, &files, vec![]).await else { return };
    is_served(&replica).await;
    let rotated = "CONFIG SET requirepass another-one\r\nCLIENT KILL TYPE normal SKIPME yes";
    server.command(&format!("AUTH {PASSWORD}\r\n{rotated}")).await;
    // Each second is a window of its own: what was leased before does not last.
    until_async("a refusal", async || (replica.client.chat(&chat("x")).await.status == 503).then_some(()))
        .await;
    std::fs::write(replica.file("redis-auth"), "another-one").unwrap();
    is_served(&replica).await;
}
