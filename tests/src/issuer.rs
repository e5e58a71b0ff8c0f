//! An issuer of tokens: discovery and a key set over HTTP, with keys that can be rotated and an end that can be
//! put to it. It owns minting; it refuses to know who asks.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sluicegate::clock::unix_nanos;

use crate::backend::{FakeBackend, Reply};

/// What the issuer's tokens are for.
pub const AUDIENCE: &str = "api://llm";

struct SigningKey {
    kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("that key");
        Self { kid: kid.to_owned(), pair }
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        json!({"kty": "EC", "crv": "P-256", "kid": self.kid, "use": "sig", "x": encoded(x), "y": encoded(y)})
    }
}

/// A running issuer.
pub struct Issuer {
    server: FakeBackend,
    key: Arc<Mutex<SigningKey>>,
    away: Arc<Mutex<bool>>,
}

impl Issuer {
    /// Starts one whose first key is called `k1`.
    pub async fn start() -> Self {
        let key = Arc::new(Mutex::new(SigningKey::new("k1")));
        let away = Arc::new(Mutex::new(false));
        let (published, closed) = (Arc::clone(&key), Arc::clone(&away));
        let server = FakeBackend::start(move |_, request| {
            if *closed.lock() {
                return Reply::with(503, &[], "closed");
            }
            let url = format!("http://{}", request.header("host").expect("a host"));
            match request.target.as_str() {
                "/.well-known/openid-configuration" => {
                    Reply::json(200, &json!({"issuer": url, "jwks_uri": format!("{url}/keys")}))
                }
                "/keys" => Reply::json(200, &json!({"keys": [published.lock().jwk()]})),
                _ => Reply::with(404, &[], ""),
            }
        })
        .await;
        Self { server, key, away }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Value of `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// How an entry of `issuers` believes it.
    #[must_use]
    pub fn section(&self) -> Value {
        json!({"issuer": self.url(), "audiences": [AUDIENCE], "algorithms": ["ES256"]})
    }

    /// Signs with another key from now on, and withdraws the one before.
    pub fn rotate(&self, kid: &str) {
        *self.key.lock() = SigningKey::new(kid);
    }

    /// Answers nothing of use, or does again.
    pub fn is_away(&self, away: bool) {
        *self.away.lock() = away;
    }

    /// How often it was asked for its keys.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.server.requests().iter().filter(|request| request.target == "/keys").count()
    }

    /// A token for `subject`, good for ten minutes, with more claims.
    #[must_use]
    pub fn token(&self, subject: &str, more: &Value) -> String {
        let now = unix_nanos() / 1_000_000_000;
        let mut claims = json!({"iss": self.url(), "aud": AUDIENCE, "sub": subject, "exp": now + 600});
        for (name, value) in more.as_object().into_iter().flatten() {
            claims[name] = value.clone();
        }
        let key = self.key.lock();
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": key.kid});
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = key.pair.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", encoded(signature))
    }
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuer").field("address", &self.address()).finish_non_exhaustive()
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
